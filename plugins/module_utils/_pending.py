# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flip that a process on the router makes at an instant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from ._errors import BadInput, JournalError
from ._routing import Routing


@dataclass(frozen=True)
class Pending:
    """A flip that a process on the router makes at an instant, and takes back unless the run confirms it in time.

    Args:
        epoch: of the run that asked for it.
        run: id of that run.
        at: when to flip, seconds since the Unix epoch by the router's clock.
        revert_at: when to take it back, by the same clock.
        target: the routing that the flip puts in force.
        former: the routing that it takes away.
        flipped_at: when it was in force; None before.
        flip_ms: how long the flip took.
        error: why it was not made, or not taken back.
    """

    epoch: int
    run: str
    at: float
    revert_at: float
    target: Routing
    former: Routing
    flipped_at: float | None = None
    flip_ms: float | None = None
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "target": self.target.as_dict(), "former": self.former.as_dict()}

    @classmethod
    def from_dict(cls, data: Any) -> Pending:
        """Build one from what :meth:`as_dict` gave.

        Raises:
            JournalError: the record is damaged.
        """
        try:
            routings = {name: Routing.from_dict(data[name]) for name in ("target", "former")}
            return cls(**{**data, **routings})
        except (AttributeError, LookupError, TypeError, ValueError, BadInput) as error:
            raise JournalError(f"it is damaged: {type(error).__name__}: {error}") from error


class PendingStore(ABC):
    """Where a router keeps its one pending flip. Whoever finds another record than his own, or none, was cancelled."""

    @abstractmethod
    def load(self) -> Pending | None:
        """The record, or None."""

    @abstractmethod
    def store(self, pending: Pending, urgent: bool = False) -> None:
        """Put it in place of the one that is there; ``urgent`` as for :meth:`Router.stage`."""

    @abstractmethod
    def remove(self) -> None:
        """Remove it; nothing when there is none."""
