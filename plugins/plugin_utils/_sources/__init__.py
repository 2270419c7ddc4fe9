# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where gates get their numbers from: one file for each source, one contract for all (``source.py``).

``registry.py`` knows them all; a further source is one more file and one more line there. Private to this collection.
"""
