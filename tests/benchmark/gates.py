# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gates of a bake cost the control node: 24 gates, both colours, a reading of each every 5 s.

Half of the gates are thresholds, ratios and differences of one value. The other half are judges: each reading is a range of the
last minute, a point a second, of which five are new. The candidate is good, so that every gate is asked to the end. A process of
its own runs the bake, without a wait; the time is handed in.

``gates_cpu_s``: seconds of CPU, user and system, for one interval, from the readings to the printed line: the slowest one of ten
minutes. ``gates_cpu_median_s`` is the median one. ``gates_cpu_full_s`` is the slowest of the last ten minutes of a bake that is
ten times as long: there the judges compare as many points as they ever do.

``gates_rss_growth_mb``: how much larger the resident size is after a hundred minutes than after ten.
``gates_result_s``: seconds of CPU for the result of the long bake with all its samples.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "playbooks" / "collections")]

from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.definition import Gate, parse
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.progress import RUNNING, Progress
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.reading import Reading
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.report import line, result

from tests.benchmark._report import merge

GATES = 24
INTERVAL = 5
RANGE = 60
MINUTES = 10
TIMES = 10
VALUES: list[dict[str, Any]] = [{"max": 1000}, {"max_ratio": 3, "ignore_below": 0.1}, {"max_difference": 500}]


def gates() -> tuple[Gate, ...]:
    """Half of them judges, as a user would write them."""
    judge = {"judge": {"direction": "either"}}
    described = [
        {
            "name": f"gate {number}",
            "source": "prometheus",
            "failures_total": 10**6,
            **(judge if number % 2 else VALUES[number // 2 % 3]),
        }
        for number in range(GATES)
    ]
    return parse(described, {"prometheus": ()}, INTERVAL)


class Metric:
    """A latency of one colour, as a range query of the last minute gives it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.points: list[tuple[float, float]] = []

    def read(self, now: float) -> Reading:
        """The reading at this instant; it has the points of the last minute."""
        since = self.points[-1][0] if self.points else now - RANGE
        self.points += [(second, self.chance.lognormvariate(4, 0.3)) for second in range(int(since) + 1, int(now) + 1)]
        del self.points[:-RANGE]
        return Reading(now, self.points[-1][1], 100, points=tuple(self.points))


def intervals(progress: Progress, count: int) -> Iterator[float]:
    """Seconds of CPU of one interval after the other."""
    metrics = {
        (one.gate.name, colour): Metric(2 * number + place)
        for number, one in enumerate(progress.gates)
        for place, colour in enumerate((progress.candidate, progress.stable))
    }
    for number in range(1, count + 1):
        now = float(number * INTERVAL)
        due = [gate.name for gate in progress.due(now)]
        readings = {name: {colour: metrics[name, colour].read(now) for colour in ("green", "blue")} for name in due}
        began = time.process_time()
        progress.add(now, readings)
        line("bake 25% green", progress, now)
        state = progress.verdict(now).state
        yield time.process_time() - began
        if state != RUNNING or len(due) != GATES:
            sys.exit(f"the bake is {state} with {len(due)} gates after {now} s: {line('bake', progress, now)}")


def resident_mb() -> float:
    """Resident size of this process (proc_pid_status(5))."""
    (kilobytes,) = [row.split()[1] for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("VmRSS:")]
    return int(kilobytes) / 1024


def bake() -> dict[str, float]:
    """One bake of ten times the time, in this process."""
    few = MINUTES * 60 // INTERVAL
    progress = Progress(gates(), "green", "blue", 0.0, 10.0**9)
    turns = intervals(progress, few * TIMES)
    first = [next(turns) for _number in range(few)]
    before = resident_mb()
    later = list(turns)
    growth = resident_mb() - before
    began = time.process_time()
    json.dumps(result(progress, few * TIMES * INTERVAL, 0.0))
    return {
        "gates_cpu_s": round(max(first), 4),
        "gates_cpu_median_s": round(statistics.median(first), 4),
        "gates_cpu_full_s": round(max(later[-few:]), 4),
        "gates_rss_growth_mb": round(growth, 1),
        "gates_result_s": round(time.process_time() - began, 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("role", nargs="?", default="measure", choices=["measure", "bake"])
    options = parser.parse_args()
    if options.role == "bake":
        print(json.dumps(bake()))
        return 0
    done = subprocess.run([sys.executable, __file__, "bake"], stdout=subprocess.PIPE, check=True)
    numbers = json.loads(done.stdout)
    merge(ROOT / "build" / "bench.json", numbers)
    print(json.dumps(numbers, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
