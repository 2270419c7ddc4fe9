# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A synthetic client of the service, run on the control node while the bake goes on. Each gate sends its own requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.probe import Probe, ProbeOptions, ProbeWindow
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.reading import Reading
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.source import NoData, Options, Source

PERCENTILES = {"latency_p50_ms": 50, "latency_p95_ms": 95, "latency_p99_ms": 99}
METRICS = ("lost", "lost_percent", "error_percent", *PERCENTILES)
#: Of the module ``probe``; the other ones are about an end that a bake decides.
CLIENT = (
    *("url", "paths", "method", "rate", "connections", "headers", "host_header", "status"),
    *("validate_certs", "ca_path", "timeout"),
)


class ProbeSource(Source):
    """What the client saw since the last reading.

    ``lost`` and ``lost_percent`` are about all of its requests: one that has no answer has no colour. ``error_percent`` and the
    latencies are about the answers of a colour.
    """

    OPTIONS: ClassVar[Options] = {
        "metric": (str,),
        "colour_header": (str,),
        **dict.fromkeys(CLIENT, (str, int, float, bool, list, dict)),
    }
    REQUIRED: ClassVar[tuple[str, ...]] = ("url",)

    def prepare(self) -> None:
        self._metric = self.choice("metric", METRICS, "lost")
        given: dict[str, Any] = {name: value for name, value in self.options.items() if name != "metric"}
        self._probe = Probe(ProbeOptions.parse(given))
        self._running = False

    def read(self, colours: Sequence[str]) -> dict[str, Reading]:
        if not self._running:
            self._probe.start()
            self._running = True
            return {colour: Reading(self.around.clock(), None, 0, "the probe begins", first_look=True) for colour in colours}
        self._window = self._probe.take()
        return super().read(colours)

    def measure(self, colour: str) -> Reading:
        window: ProbeWindow = self._window
        if self._metric in ("lost", "lost_percent"):
            lost = sum(window.lost.values())
            if not window.requests:
                raise NoData("the probe has got no answer yet")
            value = lost if self._metric == "lost" else 100.0 * lost / window.requests
            why = ", ".join(f"{count} {reason}" for reason, count in window.lost.items())
            return Reading(self.around.clock(), value, window.requests, why)
        seen = window.colours.get(colour)
        if seen is None or not seen.answers:
            raise NoData(f"the probe has got no answer of {colour}")
        if self._metric == "error_percent":
            return self.reading(100.0 * seen.refused / seen.answers, seen.answers)
        ranked = sorted(seen.latencies)
        if not ranked:
            raise NoData(f"the probe has got no good answer of {colour}")
        rank = max(-(-len(ranked) * PERCENTILES[self._metric] // 100), 1)
        now = self.around.clock()
        # The judge compares the single latencies.
        points = [(now, 1000.0 * latency) for latency in seen.latencies]
        return self.reading(1000.0 * ranked[rank - 1], len(ranked), points)

    def close(self) -> None:
        if self._running:
            self._probe.stop(wait=False)
