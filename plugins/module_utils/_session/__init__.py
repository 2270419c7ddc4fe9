# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether users stay logged in when their colour changes, and whether the store of their sessions is fit for it.

Imports point down this list: ``check`` (the engine) -> ``visitor`` -> ``client`` (HTTP), ``jar`` (cookies), ``script`` (what
is asked) and ``store`` -> ``resp`` (Redis); ``findings`` is what they all say. Private to this collection.
"""
