# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a refused task may not do, disks that take nothing, and the end of a call at any moment."""

from __future__ import annotations

import math
import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.net import short_directory, wait_until
from tests.support.router import Answer, AnyRouter, as_user

NOBODY = as_user(65534, 65534)


def as_asked(count: int, total: int, percent: int) -> bool:
    """Within six standard deviations of a binomial draw: wrong once in 500 million."""
    share = percent / 100
    return abs(count - total * share) <= 6 * math.sqrt(total * share * (1 - share))


def refused(router: AnyRouter, reason: str, *told: str, state: str = "switched", **given: Any) -> Answer:
    """A call that must fail and leave everything as it was; the message names router, service, ``told`` and a next step."""
    before = router.everything()
    answer = router.ask(state, **given)
    assert answer.get("failed"), answer
    assert answer["changed"] is False
    assert answer["reason"] == reason, answer["msg"]
    for word in (router.name, given.get("service", "shop"), *told):
        assert word in answer["msg"], answer["msg"]
    assert router.everything() == before
    assert router.leftovers() == []
    return answer


def advised(answer: Answer, *words: str) -> None:
    """The message ends with what to do."""
    _what, _next, remedy = answer["msg"].partition(". Next: ")
    assert remedy, answer["msg"]
    for word in words:
        assert word in remedy


@contextmanager
def small_disk(options: str = "size=16k,mode=700") -> Iterator[Path]:
    """A file system of four pages, or with other limits."""
    with short_directory("disk") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def fill(disk: Path) -> None:
    """Not one byte more."""
    with (disk / "filler").open("wb", buffering=0) as filler:
        os.posix_fallocate(filler.fileno(), 0, os.statvfs(disk).f_bavail * 4096)
    assert os.statvfs(disk).f_bavail == 0


def fill_inodes(disk: Path) -> None:
    """Not one file more."""
    filler = disk / "filler"
    filler.mkdir()
    free = os.statvfs(disk).f_favail
    for number in range(free):
        (filler / str(number)).touch()
    assert os.statvfs(disk).f_favail == 0


def read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def kill_at_random(process: subprocess.Popen[str], _router: AnyRouter) -> None:
    """Anywhere in the life of a call, which takes about a tenth of a second."""
    moment = time.monotonic() + random.uniform(0.02, 0.2)
    wait_until(lambda: time.monotonic() > moment, "the moment to kill", interval=0.001)
    process.kill()
