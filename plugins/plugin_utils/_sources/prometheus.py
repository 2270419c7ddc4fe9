# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus: instant and range queries (https://prometheus.io/docs/prometheus/latest/querying/api/)."""

from __future__ import annotations

import time
from typing import Any, ClassVar
from urllib.parse import urlencode

from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.reading import Reading
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources import web
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.source import NoData, Options, Source, fill, number


class Prometheus(Source):
    """A query that gives one series for a colour.

    With ``range``, all points of the last so many seconds are there for the judge, and the value is the latest one.
    """

    OPTIONS: ClassVar[Options] = {
        **web.OPTIONS,
        "query": (str,),
        "samples_query": (str,),
        "range": (int, float),
        "step": (int, float),
    }
    REQUIRED: ClassVar[tuple[str, ...]] = ("url", "query")

    def prepare(self) -> None:
        self._url = self.options["url"].rstrip("/") + "/api/v1/"
        self._range = self.seconds("range", 1.0) if "range" in self.options else 0.0
        self._step = self.seconds("step", self.around.interval)
        if self._range and self._range / self._step > 11_000:
            raise BadInput(f"gate {self.gate!r}: range / step is more than the 11,000 points that Prometheus answers with")

    def measure(self, colour: str) -> Reading:
        samples = 1.0
        if "samples_query" in self.options:
            # A series that does not exist yet is none that was counted.
            found = self._ask("query", colour, self.options["samples_query"], {})
            samples = number(self._one(found, "value")[1]) if found else 0.0
        if not self._range:
            _at, value = self._one(self._ask("query", colour, self.options["query"], {}), "value")
            return self.reading(value, samples)
        end = time.time()
        times = {"start": f"{end - self._range:.3f}", "end": f"{end:.3f}", "step": f"{self._step:g}"}
        # By the clock of readings, which is not that of the server.
        shift = self.around.clock() - end
        values = self._one(self._ask("query_range", colour, self.options["query"], times), "values")
        points = [(float(at) + shift, number(value)) for at, value in values]
        return self.reading(points[-1][1], samples if "samples_query" in self.options else len(points), points)

    def _ask(self, kind: str, colour: str, query: str, times: dict[str, str]) -> Any:
        form = urlencode({"query": fill(query, colour), "timeout": f"{self.timeout:g}s", **times})
        answer = web.ask(self._url + kind, self.options, self.timeout, form)
        try:
            data = answer["data"]
            return [data["result"]] if data["resultType"] == "scalar" else data["result"]
        except (LookupError, TypeError) as error:
            raise NoData(f"{self.options['url']} answers with no result of a query: is that Prometheus?") from error

    def _one(self, series: Any, name: str) -> Any:
        """The value, or the values, of the only series."""
        if not series:
            raise NoData("the query finds no series")
        if len(series) > 1:
            raise NoData(f"the query finds {len(series)} series, expected one: aggregate them, for example with sum()")
        return series[0] if isinstance(series[0], list) else series[0][name]
