# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a probe, a warm-up or a load test is a no."""

from __future__ import annotations

from .._errors import Refused, TurnoutError


class RequestsLost(TurnoutError):
    """More requests got no accepted answer than are allowed."""

    reason = "lost"


class SplitDiffers(TurnoutError):
    """The answers do not show the split that was asked for."""

    reason = "split"


class WrongColour(Refused):
    """Another colour answered than was asked: the load might be on the live one."""

    reason = "wrong_colour"


class NotWarm(TurnoutError):
    """The colour did not become warm within the caps."""

    reason = "not_warm"


class LimitsExceeded(TurnoutError):
    """The colour under load is slower, or fails more often, than is allowed."""

    reason = "limits"
