# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that the routers send through the preview way, and to the public side, while a bake goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.reading import Reading
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.source import NoData, Options, Source

GLANCE_SECONDS = 0.5


@dataclass
class _Tries:
    tries: int = 0
    failed: int = 0
    slices: int = 0
    error: str = ""
    answered_at: float = 0.0


class Health:
    """What all routers have seen; shared by all gates that ask for it.

    Args:
        names: of the routers.
        late: seconds after which a router is one that does not answer.
        began: when they began.
    """

    def __init__(self, names: Iterable[str], late: float, began: float) -> None:
        self._routers = {name: _Tries(answered_at=began) for name in names}
        self._late = late
        self._news = threading.Condition()

    def add(self, name: str, look: Mapping[str, Any]) -> None:
        """One slice of tries on one router, as :func:`line_of` gives it."""
        with self._news:
            router = self._routers[name]
            router.error = look.get("error") or router.error
            if "tries" in look:
                router.tries += look["tries"]
                router.failed += look["failed"]
                router.slices += 1
                router.answered_at = look["at"]
            self._news.notify_all()

    def after(self, slices: Mapping[str, int], clock: Callable[[], float]) -> tuple[dict[str, int], int, int, str]:
        """Slices of each router when each has sent one more; failed tries on the one that has most, its tries and its last error.

        Args:
            slices: of each router at the call before.
            clock: the clock of the slices.

        Raises:
            NoData: a router does not answer.
        """
        with self._news:
            while True:
                self._check(clock())
                if all(router.slices > slices.get(name, 0) for name, router in self._routers.items()):
                    break
                self._news.wait(GLANCE_SECONDS)
            name, worst = max(self._routers.items(), key=lambda item: (item[1].failed, item[1].tries))
            counts = {name: router.slices for name, router in self._routers.items()}
            return counts, worst.failed, worst.tries, worst.error and f"{name}: {worst.error}"

    def _check(self, now: float) -> None:
        if not self._routers:
            raise NoData("no router sends health requests")
        for name, router in self._routers.items():
            if now - router.answered_at > self._late:
                raise NoData(
                    f"{name} gives no answer since {now - router.answered_at:.0f} s{router.error and ': ' + router.error}"
                )


class HealthSource(Source):
    """How many health requests of a router have failed since the bake began."""

    OPTIONS: ClassVar[Options] = {}

    def prepare(self) -> None:
        self._health: Health | None = self.around.feeds.get("health")
        self._slices: Mapping[str, int] = {}

    def measure(self, colour: str) -> Reading:
        if self._health is None:
            raise NoData("no router sends health requests")
        self._slices, failed, tries, error = self._health.after(self._slices, self.around.clock)
        return Reading(self.around.clock(), failed, tries, error)

    def read(self, colours: Sequence[str]) -> dict[str, Reading]:
        """The same for all colours: the targets say whom they ask."""
        reading = super().read(colours[:1])
        return dict.fromkeys(colours, reading[colours[0]])


def line_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What a watch keeps of one answer of ``health_poll``."""
    rows = answer.get("targets")
    if rows is None:
        return {"error": answer.get("msg", "health_poll gives no answer")}
    failed = {row["name"]: row["tries"] - row["successes"] for row in rows}
    worst = max(rows, key=lambda row: failed[row["name"]])
    error = f"{worst['name']}: {worst['last_error']}" if failed[worst["name"]] else ""
    return {"tries": worst["tries"], "failed": failed[worst["name"]], "error": error}
