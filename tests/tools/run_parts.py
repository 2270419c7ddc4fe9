"""Run parts of the tests, cheap ones first, and count: `run_parts.py lint unit ...`.

Each part is a make target that leaves JUnit files in build/results/<part>/. A part without any counts
as one test. A failing part does not keep the next from running.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from junit import Count, count
from project import RESULTS, ROOT

LIMIT = 2700  # seconds; a part that takes longer hangs


@dataclass(frozen=True)
class Outcome:
    part: str
    seconds: float
    count: Count


def make(part: str) -> int:
    """Run one target, with what it started, for `LIMIT` seconds at most; its exit status."""
    process = subprocess.Popen(["make", "--no-print-directory", part], cwd=ROOT, start_new_session=True)
    try:
        return process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        print(f"test: {part} was stopped after {LIMIT} s", flush=True)
        return 1
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run(part: str) -> Outcome:
    print(f"\n===== {part} =====", flush=True)
    shutil.rmtree(RESULTS / part, ignore_errors=True)
    start = time.monotonic()
    status = make(part)
    counted = count(RESULTS / part)
    if status and not counted.failed:
        counted += Count(failed=1)
    elif counted == Count():
        counted = Count(passed=1)
    outcome = Outcome(part, time.monotonic() - start, counted)
    print(f"===== {line(outcome)} =====", flush=True)
    return outcome


def line(outcome: Outcome) -> str:
    counted = outcome.count
    return f"{outcome.part:<12} {outcome.seconds:6.0f} s   {counted.passed} passed, {counted.failed} failed" + (
        f", {counted.skipped} skipped" if counted.skipped else ""
    )


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *dummy: sys.exit(143))  # and so stop the part that runs
    outcomes = [run(part) for part in sys.argv[1:]]
    print()
    for outcome in outcomes:
        print(line(outcome))
    total = sum((outcome.count for outcome in outcomes), Count())
    print(f"{total.passed} passed, {total.failed} failed", flush=True)
    return int(total.failed > 0 or total.passed == 0)


if __name__ == "__main__":
    sys.exit(main())
