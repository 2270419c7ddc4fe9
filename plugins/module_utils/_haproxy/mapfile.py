# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The map file, one line each: ``<service> <percent green>``, ``<service>/sticky <number>`` and, for a service whose
configuration knows a cohort, ``<service>/cohort <number>``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .._errors import NotConfigured
from .._routing import COLOURS, STICKY, Routing, Split

# As HAProxy reads it: only blanks and tabs divide, only a newline ends a line, only '#' in the first place makes a comment.
_LINE = re.compile(r"(?!#)[ \t]*([^ \t\r]+)[ \t]*([^\r]*)")


#: Where the cohort goes: 0 is nowhere of its own.
COHORT = (None, *COLOURS)


def keys(service: str) -> tuple[str, str, str]:
    """The keys of a service: percent of green, stickiness, and where the cohort goes, which not every service has."""
    return service, f"{service}/sticky", f"{service}/cohort"


def encode(service: str, routing: Routing, known: Mapping[str, str], where: str) -> dict[str, str]:
    """The values that mean ``routing``; the percent is the last one to act.

    Args:
        service: whose.
        routing: what they shall mean.
        known: the file's keys: a cohort that the configuration does not know has none.
        where: the file, for the message.

    Raises:
        NotConfigured: a cohort is asked for, and the service has none.
    """
    percent, sticky, cohort = keys(service)
    values = {sticky: str(STICKY.index(routing.sticky)), percent: str(routing.split.green)}
    if cohort in known:
        return {cohort: str(COHORT.index(routing.split.cohort)), **values}
    if routing.split.cohort:
        raise NotConfigured(
            f"{where} has no key {cohort!r}: HAProxy does not know who belongs to the cohort of {service}",
            "set cohort (a header or a cookie) for the service in haproxy_services and run bootstrap.yml",
        )
    return values


def decode(service: str, values: Mapping[str, str | None], where: str) -> Routing:
    """The routing that the values mean.

    Raises:
        NotConfigured: a key is missing, or its value is not one that a switch writes.
    """
    found = {**values, keys(service)[2]: values.get(keys(service)[2]) or "0"}
    percent, sticky, cohort = (_number(found.get(key), key, where) for key in keys(service))
    if not 0 <= percent <= 100 or not 0 <= sticky < len(STICKY) or not 0 <= cohort < len(COHORT):
        raise NotConfigured(f"{where}: {service} has percent {percent}, stickiness {sticky} and cohort {cohort}", _REMEDY)
    return Routing(Split(percent, COHORT[cohort]), STICKY[sticky])


_REMEDY = "run bootstrap.yml for this service, or correct that line by hand"


def _number(value: str | None, key: str, where: str) -> int:
    if value is None:
        raise NotConfigured(f"{where} has no key {key!r}", _REMEDY)
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise NotConfigured(f"{where}: {key!r} has the value {value!r}, expected a number", _REMEDY)
    return int(value)


def parse(text: str) -> dict[str, str]:
    """All keys of a map file; as in HAProxy, the first line of a key counts (configuration manual, 7.3.1, map)."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        match = _LINE.match(line)
        if match:
            found.setdefault(match[1], match[2].strip())
    return found


def replace(text: str, values: Mapping[str, str]) -> str:
    """The file's text with the values of these keys; other lines stay as they are, further lines of a key go."""
    left = dict(values)
    lines = []
    for line in _lines(text):
        match = _LINE.match(line)
        key = match[1] if match else ""
        if key not in values:
            lines.append(line)
        elif key in left:
            lines.append(f"{key} {left.pop(key)}")
    lines += [f"{key} {value}" for key, value in left.items()]
    return "\n".join(lines) + "\n"


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]
