# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests that users ask for most, from the end of an access log.

Only what is safe to repeat is taken: GET with an accepted status, and no query string that looks like a secret, because a
repeated link with a token may be spent by it, and because the URLs become part of a task's result.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Callable
from urllib.parse import parse_qsl

from .._errors import BadInput, StorageError

#: A line that is longer is not read; no server logs one that is.
_LINE = 64 * 1024
#: A longer URL is not worth its place in a result.
_PATH = 2048
#: Different URLs that are counted at once. With more, the rarest half is forgotten, so that memory stays bounded.
_KEPT = 50_000
#: Begins the user agent of our own clients in a log: their requests are not what users ask for.
_OWN = '"turnout-'

#: What makes a query parameter a secret, wherever it stands in its name ...
_SECRET_PART = re.compile(r"token|passw|secret|session|signature|credential|apikey")
#: ... as a whole word of it, because "monkey" and "author" are none ...
_SECRET_WORD = re.compile(r"key|pass|pwd|auth|authorization|sid|sig|otp|jwt|csrf|xsrf|nonce|hmac|ticket")
#: ... or as the whole name, because a "zip_code" is none.
_SECRET_NAMES = ("code", "pin")
#: A value that is long and mixed is one whatever its name: a random id, a signature, a signed token.
_SECRET_VALUE = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9_.~+/=-]{32,}")


@dataclass(frozen=True)
class Seen:
    """One line of a log: method, request target and status."""

    method: str
    target: str
    status: int


@dataclass(frozen=True)
class Top:
    """What was found in a log.

    Args:
        paths: the most frequent first; equally frequent ones by name.
        lines: that were read.
        taken: that are counted in ``paths`` or would be, were there room.
        secrets: that were left out for a query string that looks like a secret.
        unknown: that are not in the format.
    """

    paths: tuple[str, ...]
    lines: int
    taken: int
    secrets: int
    unknown: int


# A quoted request, then the status: the Common Log Format, which the combined one goes on from. A quote in the request is
# escaped by nginx (\x22) and by Apache (\").
_COMMON = re.compile(r'"([A-Z]+) ([^\s"\\]+)(?: HTTP/[0-9.]+)?" (\d{3}) ')
# "option httplog" of HAProxy (its configuration manual, section 8.2.3): status after the timers, request at the end.
_HAPROXY = re.compile(r' [-+\d]+(?:/[-+\d]+){4} (\d{3}) \d.* "([A-Z]+) ([^\s"\\]+) HTTP/[0-9.]+"')


def _common(line: str) -> Seen | None:
    found = _COMMON.search(line)
    return Seen(found[1], found[2], int(found[3])) if found else None


def _haproxy(line: str) -> Seen | None:
    found = _HAPROXY.search(line)
    return Seen(found[2], found[3], int(found[1])) if found else None


def _json(line: str) -> Seen | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, Mapping):
        return None
    method, target = _first(record, "method", "request_method"), _first(record, "request_uri", "uri", "path", "url")
    if method is None or target is None:
        words = str(_first(record, "request") or "").split(" ")
        method, target = (words[0], words[1]) if len(words) > 1 else (None, None)
    status = str(_first(record, "status", "status_code") or "")
    if method is None or target is None or not re.fullmatch(r"\d{3}", status, re.ASCII):
        return None
    return Seen(str(method), str(target), int(status))


def _first(record: Mapping[str, Any], *names: str) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


#: How a line is understood, by the name of its format.
FORMATS: dict[str, Callable[[str], Seen | None]] = {"combined": _common, "common": _common, "json": _json, "haproxy": _haproxy}


def looks_secret(target: str) -> bool:
    """Whether a parameter of a request target, after ``?`` or ``;``, has a name or a value that should not be repeated."""
    _path, _mark, query = target.replace("?", ";", 1).partition(";")
    for name, value in parse_qsl(query.replace(";", "&"), keep_blank_values=True):
        words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
        joined = "".join(words)
        if joined in _SECRET_NAMES or _SECRET_PART.search(joined) or any(map(_SECRET_WORD.fullmatch, words)):
            return True
        if _SECRET_VALUE.fullmatch(value):
            return True
    return False


@dataclass(frozen=True)
class Choice:
    """Which lines are taken.

    Args:
        form: a key of :data:`FORMATS`.
        statuses: accepted statuses.
        include: is to be found in the request target; None takes all.
        exclude: is not to be found there; None takes all.
        top: how many paths at most.
    """

    form: str
    statuses: Collection[int]
    include: re.Pattern[str] | None = None
    exclude: re.Pattern[str] | None = None
    top: int = 200

    def takes(self, seen: Seen) -> bool:
        """Whether such a request is safe to repeat, as far as can be known, and wanted."""
        if seen.method != "GET" or seen.status not in self.statuses or len(seen.target) > _PATH:
            return False
        if not seen.target.startswith("/") or re.search(r"[\x00-\x20\x7f]", seen.target):
            return False
        if self.include is not None and not self.include.search(seen.target):
            return False
        return self.exclude is None or not self.exclude.search(seen.target)


def top(lines: Iterable[str], choice: Choice) -> Top:
    """The most frequent request targets among the lines of a log."""
    understand = FORMATS[choice.form]
    counts: Counter[str] = Counter()
    read = taken = secrets = unknown = 0
    for line in lines:
        read += 1
        seen = understand(line)
        if seen is None:
            unknown += 1
        elif _OWN not in line and choice.takes(seen):
            if looks_secret(seen.target):
                secrets += 1
                continue
            taken += 1
            counts[seen.target] += 1
            if len(counts) > _KEPT:
                counts = Counter(dict(counts.most_common(_KEPT // 2)))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Top(tuple(path for path, _count in ranked[: choice.top]), read, taken, secrets, unknown)


def tail(path: str, since_bytes: int) -> Iterator[str]:
    """The last lines of a file, whole ones only.

    Args:
        path: of the log.
        since_bytes: how far from its end to begin.

    Raises:
        StorageError: it can not be read.
    """
    try:
        with open(path, "rb") as log:
            begin = max(0, log.seek(0, os.SEEK_END) - since_bytes)
            log.seek(max(0, begin - 1))
            if begin:
                _skip_line(log.readline)
            while True:
                line = log.readline(_LINE)
                if not line.endswith(b"\n"):
                    if not line:
                        return
                    if len(line) < _LINE:
                        return  # being written at this moment
                    _skip_line(log.readline)
                    continue
                yield line.decode("utf-8", "replace")
    except OSError as error:
        raise StorageError(
            f"the access log {path} can not be read: {error.strerror or error}",
            "name a log that this user may read, or give urls",
        ) from error


def _skip_line(readline: Callable[[int], bytes]) -> None:
    while True:
        piece = readline(_LINE)
        if not piece or piece.endswith(b"\n"):
            return


def expression(option: str, text: str | None) -> re.Pattern[str] | None:
    """A regular expression of the user.

    Raises:
        BadInput: it is none.
    """
    if text is None:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise BadInput(f"{option} {text!r} is no regular expression: {error}") from error
