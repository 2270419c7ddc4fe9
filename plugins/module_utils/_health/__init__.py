# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Polling many endpoints at once until each is healthy.

Imports point down this list: ``report`` -> ``poller`` (the engine), ``client`` (the only I/O) ->
``targets`` -> ``expectations``, ``stats``. Private to this collection.
"""
