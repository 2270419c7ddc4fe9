# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop between sources and verdict, with sources that the tests make."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.definition import parse
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.progress import Progress, Verdict
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.reading import Reading
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.report import Screen
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.source import Options, Source, Surroundings
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._watching import Watching

COLOURS = ("green", "blue")


class Numbers(Source):
    """A source that gives one number after the other, the last one again and again.

    Args:
        values: of the candidate.
        block: waits for it before each reading.
    """

    OPTIONS: ClassVar[Options] = {}

    def __init__(self, *values: float, block: threading.Event | None = None) -> None:
        super().__init__("numbers", {}, Surroundings(clock=time.monotonic))
        self.values, self.block = list(values), block
        self.reads, self.closed = 0, False

    def read(self, colours: Sequence[str]) -> dict[str, Reading]:
        if self.block:
            self.block.wait(30)
        self.reads += 1
        return super().read(colours)

    def measure(self, colour: str) -> Reading:
        return self.reading(self.values[min(self.reads, len(self.values)) - 1])

    def close(self) -> None:
        self.closed = True


def watch(seconds: float, refresh: Callable[[], str] = lambda: "", **sources: Numbers) -> tuple[Verdict, list[str], str]:
    """Gates at 0.1 s that allow 1, and the lines they have shown."""
    lines: list[str] = []
    gates = parse([{"name": name, "source": "health", "max": 1, "interval": 0.1} for name in sources], {"health": ()})
    progress = Progress(gates, *COLOURS, time.monotonic(), seconds)
    watching = Watching(progress, sources, refresh, lines.append, "bake", Screen())
    cause = watching.run()
    return progress.verdict(time.monotonic()), lines, cause


def test_good_numbers_are_read_to_the_end():
    source = Numbers(0)
    verdict, lines, cause = watch(1.0, errors=source)
    assert (verdict.state, cause, source.closed) == ("passed", "", True)
    assert 5 <= source.reads <= 11
    assert lines[-1].startswith("  bake: over | errors 0 (max 1) ok")


def test_two_bad_ones_end_it_at_once_and_the_last_line_tells_it():
    source = Numbers(0, 5)
    verdict, lines, _cause = watch(60, errors=source)
    assert (verdict.state, source.reads, source.closed) == ("failed", 3, True)
    assert "BAD 2/2" in lines[-1]


def test_a_slow_source_delays_no_other_and_is_not_asked_twice_at_once():
    block = threading.Event()
    slow, fast = Numbers(0, block=block), Numbers(0)
    threading.Timer(1.0, block.set).start()
    verdict, _lines, _cause = watch(1.5, slow=slow, fast=fast)
    assert verdict.state == "passed"
    assert fast.reads >= 8
    assert slow.reads < 8


def test_a_cause_from_outside_ends_it():
    begun = time.monotonic()
    source = Numbers(0)
    verdict, _lines, cause = watch(60, lambda: "a newer run" if time.monotonic() > begun + 0.5 else "", errors=source)
    assert (verdict.state, cause, source.closed) == ("running", "a newer run", True)


def test_its_process_ends_after_a_no_whatever_a_source_still_waits_for():
    """Ansible takes no next task before the worker of this one has ended: the way back would wait."""
    never = threading.Event()

    def bake() -> None:
        verdict, _lines, _cause = watch(60, bad=Numbers(5), late=Numbers(0, block=never))
        assert verdict.state == "failed"

    worker = multiprocessing.get_context("fork").Process(target=bake)
    worker.start()
    worker.join(10)
    try:
        assert worker.exitcode == 0
    finally:
        worker.kill()
