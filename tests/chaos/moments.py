# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where on its way a release is, as the disks of the routers show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.support.fleet import Fleet, Look, Run
from tests.support.net import wait_until

POLL_SECONDS = 0.003


def _in_phase(*phases: str) -> Callable[[Look, str], bool]:
    def reached(look: Look, release: str) -> bool:
        return look.journal.get("release") == release and look.phase in phases

    return reached


def _armed(look: Look, release: str) -> bool:
    return bool(look.pending) and look.pending.get("flipped_at") is None


def _committed(look: Look, release: str) -> bool:
    candidate = look.journal.get("candidate")
    return look.journal.get("release") == release and look.green == (100 if candidate == "green" else 0)


def _settled(look: Look, release: str) -> bool:
    journal = look.journal
    return look.phase == "settled" and journal.get("releases", {}).get(journal.get("stable")) == release


REACHED: dict[str, Callable[[Look, str], bool]] = {
    "claimed": _in_phase("claimed"),
    "deploying": _in_phase("deploying"),
    "deployed": _in_phase("deployed"),
    "armed": _armed,
    "committed": _committed,
    "switched": _in_phase("switched"),
    "baked": _in_phase("baked"),
    "settled": _settled,
}
PHASES = tuple(REACHED)


@dataclass(frozen=True)
class Moment:
    """A point on the way of a release.

    Args:
        name: one of `PHASES`; or ``random``.
        first: when the first router is there; else when the last is.
        share: for ``random``, the part of the release's usual length (0 to 1).
    """

    name: str
    first: bool = True
    share: float = 0.0

    def __str__(self) -> str:
        if self.name == "random":
            return f"{self.share:.0%}"
        return f"{'first' if self.first else 'last'} {self.name}"

    def wait(self, fleet: Fleet, run: Run, release: str, usual: float) -> bool:
        """Until the release is there; False when the run ended before.

        Args:
            usual: seconds that a release takes.
        """

        def there() -> bool:
            return not run.running or self._reached(fleet, run, release, usual)

        wait_until(there, f"release {release} at {self}", 300, POLL_SECONDS)
        return run.running

    def _reached(self, fleet: Fleet, run: Run, release: str, usual: float) -> bool:
        if self.name == "random":
            return run.seconds >= self.share * usual
        reached = (REACHED[self.name](fleet.look(name), release) for name in fleet.routers)
        return any(reached) if self.first else all(reached)
