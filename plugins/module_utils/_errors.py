# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception hierarchy: utils raise, only the outermost layer turns an error into an answer."""

from __future__ import annotations

from typing import Any


class TurnoutError(Exception):
    """Something that was asked for was not done.

    Args:
        message: what was expected of which object and what was found instead.
        remedy: the next step for the person who reads it.

    ``details`` goes into the answer as it is. ``reason`` is a stable word for programs: plays and tests compare it,
    people read the message.
    """

    reason = "error"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details: dict[str, Any] = {}

    def __str__(self) -> str:
        return self.message


class BadInput(TurnoutError):
    """A parameter that can not be meant."""

    reason = "bad_input"


class SocketError(TurnoutError):
    """A runtime socket that can not be reached, or an answer that is not understood."""

    reason = "socket"


class PermissionTooLow(SocketError):
    """The runtime socket answers, but does not allow what is needed."""

    reason = "permission"


class StorageError(TurnoutError):
    """A file that can not be read or written."""

    reason = "storage"


class JournalError(TurnoutError):
    """A journal that is missing, damaged or written by a newer version."""

    reason = "journal"


class NotConfigured(TurnoutError):
    """The router does not know the service, or not in the shape that a switch needs."""

    reason = "not_configured"


class Fenced(TurnoutError):
    """A newer run has claimed the service: this one must not act any more."""

    reason = "fenced"


class LeaseHeld(TurnoutError):
    """Another run holds the service.

    Args:
        message: as for every error.
        remedy: as for every error.
        holder: id of the run that holds it.
    """

    reason = "lease_held"

    def __init__(self, message: str, remedy: str, holder: str) -> None:
        super().__init__(message, remedy)
        self.details = {"holder": holder}


class Unhealthy(TurnoutError):
    """The colour that would get traffic is not fit for it, as the router sees it."""

    reason = "unhealthy"


class Refused(TurnoutError):
    """The state of the release does not allow the step."""

    reason = "refused"


class Drifted(Refused):
    """The router does not do what its journal, or the journals of the other routers, say."""

    reason = "drift"


class NothingToRollBack(Refused):
    """There is no earlier release to go back to."""

    reason = "nothing_to_roll_back"


class NothingHeld(Refused):
    """No release waits for an answer."""

    reason = "nothing_held"


class NotInForce(TurnoutError):
    """A split was set and is not what the router answers."""

    reason = "not_in_force"


class TooLate(TurnoutError):
    """The instant at which all routers were to flip is over: this one did not."""

    reason = "too_late"


class TimedOut(TurnoutError):
    """A wait ended before its condition came true."""

    reason = "timed_out"


class Busy(TurnoutError):
    """Another change is being made on this router at this moment."""

    reason = "busy"
