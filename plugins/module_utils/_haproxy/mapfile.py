# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The map file: ``<service> <percent green>`` and ``<service>/sticky <number>``, one line each."""

from __future__ import annotations

from collections.abc import Mapping

from .._errors import NotConfigured
from .._router import STICKY, Routing, Split


def keys(service: str) -> tuple[str, str]:
    """The keys of a service: percent of green, and stickiness."""
    return service, f"{service}/sticky"


def encode(service: str, routing: Routing) -> dict[str, str]:
    """The values that mean ``routing``; stickiness first, so that the percent is the last one to act."""
    percent, sticky = keys(service)
    return {sticky: str(STICKY.index(routing.sticky)), percent: str(routing.split.green)}


def decode(service: str, values: Mapping[str, str | None], where: str) -> Routing:
    """The routing that the values mean.

    Raises:
        NotConfigured: a key is missing, or its value is not one that a switch writes.
    """
    percent, sticky = (_number(values.get(key), key, where) for key in keys(service))
    if not 0 <= percent <= 100 or not 0 <= sticky < len(STICKY):
        raise NotConfigured(f"{where}: {service} has percent {percent} and stickiness {sticky}", _REMEDY)
    return Routing(Split(percent), STICKY[sticky])


_REMEDY = "run bootstrap.yml for this service, or correct that line by hand"


def _number(value: str | None, key: str, where: str) -> int:
    if value is None:
        raise NotConfigured(f"{where} has no key {key!r}", _REMEDY)
    try:
        return int(value)
    except ValueError:
        raise NotConfigured(f"{where}: {key!r} has the value {value!r}, expected a number", _REMEDY) from None


def parse(text: str) -> dict[str, str]:
    """All keys of a map file; as in HAProxy, the first line of a key counts (configuration manual, 7.3.1, map)."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        words = line.split(None, 1)
        if words and not words[0].startswith("#"):
            found.setdefault(words[0], words[1].strip() if len(words) > 1 else "")
    return found


def replace(text: str, values: Mapping[str, str]) -> str:
    """The file's text with the values of these keys; other lines stay as they are, further lines of a key go."""
    left = dict(values)
    lines = []
    for line in text.splitlines():
        key = line.split(None, 1)[0] if line.strip() else ""
        if key not in values:
            lines.append(line)
        elif key in left:
            lines.append(f"{key} {left.pop(key)}")
    lines += [f"{key} {value}" for key, value in left.items()]
    return "\n".join(lines) + "\n"
