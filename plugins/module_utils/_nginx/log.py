# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of a service: a line of JSON for each request, read from where the last look ended."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from .._errors import BadInput, NotConfigured
from .._files import storage_error
from .._routing import COLOURS
from .._statistics import Answered, Statistics, bucket

#: What one look reads at most, in bytes: some 300,000 requests, in a second or two.
LIMIT = 64 << 20
#: A rotated file is looked for under these names.
ROTATED = (".1", ".0")


@dataclass
class _Count:
    requests: int = 0
    errors: int = 0
    latencies: dict[int, int] = field(default_factory=dict)

    def add(self, status: int, seconds: float) -> None:
        self.requests += 1
        self.errors += status >= 500
        number = bucket(seconds * 1000)
        self.latencies[number] = self.latencies.get(number, 0) + 1


@dataclass(frozen=True)
class _Place:
    """A place in a file, by the file's number: a name may be another file's after a rotation."""

    inode: int
    offset: int

    @classmethod
    def parse(cls, cursor: str) -> _Place:
        try:
            inode, offset = map(int, cursor.split(":"))
        except ValueError as error:
            raise BadInput(f"the cursor {cursor[:200]!r} is not one of an nginx's statistics") from error
        return cls(inode, offset)

    def __str__(self) -> str:
        return f"{self.inode}:{self.offset}"


def since(path: str, cursor: str, limit: int = LIMIT) -> Statistics:
    """What was answered since an earlier look.

    Args:
        path: of the log; nginx buffers its lines for a second.
        cursor: of that look; empty when there was none, and nothing counts yet.
        limit: bytes to read at most.

    Raises:
        NotConfigured: no log is written.
        StorageError: it can not be read.
    """
    if not path:
        raise NotConfigured(
            "nginx writes no log that statistics could be read from", "set nginx_statistics: true and run bootstrap.yml"
        )
    try:
        size, inode = _size(path)
        if not cursor:
            return Statistics(str(_Place(inode, size)), {colour: Answered(latencies={}) for colour in COLOURS})
        return _read(path, _Place.parse(cursor), _Place(inode, size), limit)
    except FileNotFoundError as error:
        raise NotConfigured(f"{path} does not exist", "reload nginx, which makes it; or run bootstrap.yml") from error
    except OSError as error:
        raise storage_error("reading", path, error) from error


def _size(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_ino


def _read(path: str, begin: _Place, end: _Place, limit: int) -> Statistics:
    doubts: list[str] = []
    parts: list[tuple[str, int]] = [(path, begin.offset)]
    if begin.inode != end.inode:
        former = _rotated(path, begin.inode)
        if former is None:
            doubts.append(f"{path} is another file than before: requests of the former one are not counted")
        parts = [*([(former, begin.offset)] if former else []), (path, 0)]
    elif begin.offset > end.offset:
        doubts.append(f"{path} was cut: requests before that are not counted")
        parts = [(path, 0)]
    counts, offset = {colour: _Count() for colour in COLOURS}, 0
    for name, start in parts:
        data, skipped = _tail(name, start, limit)
        if skipped:
            doubts.append(f"{name} has grown by more than {limit} bytes: {skipped} were left out")
        complete = data[: data.rfind(b"\n") + 1]
        offset = start + skipped + len(complete)
        for colour, status, seconds in _requests(complete):
            counts[colour].add(status, seconds)
    answered = {colour: Answered(count.requests, count.errors, count.latencies) for colour, count in counts.items()}
    return Statistics(str(_Place(end.inode, offset)), answered, tuple(doubts))


def _rotated(path: str, inode: int) -> str | None:
    for suffix in ROTATED:
        try:
            if _size(path + suffix)[1] == inode:
                return path + suffix
        except FileNotFoundError:
            continue
    return None


def _tail(path: str, start: int, limit: int) -> tuple[bytes, int]:
    """The bytes after ``start``, and how many of them were left out because there are more than ``limit``."""
    with open(path, "rb") as file:
        left = os.fstat(file.fileno()).st_size - start
        skipped = max(left - limit, 0)
        file.seek(start + skipped)
        data = file.read(limit)
    if skipped:
        cut = data.find(b"\n") + 1  # in the middle of a line
        return data[cut:], skipped + cut
    return data, 0


def _requests(data: bytes) -> Iterator[tuple[str, int, float]]:
    """Colour, status and seconds of each request; lines without a colour are none of the service's."""
    for line in data.splitlines():
        try:
            row = json.loads(line)
            found = row["colour"], int(row["status"]), float(row["request_time"])
        except (LookupError, TypeError, ValueError):
            continue  # somebody else writes to the file, or the disk was full in the middle of a line
        if found[0] in COLOURS:
            yield found
