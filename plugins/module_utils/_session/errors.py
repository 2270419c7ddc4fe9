# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why the continuity of sessions is a no."""

from __future__ import annotations

from .._errors import TurnoutError


class SessionLost(TurnoutError):
    """Users would be logged out, or it could not be shown that they would not."""

    reason = "session"


class StoreError(TurnoutError):
    """The store of the sessions can not be reached, or refuses what it was asked."""

    reason = "store"
