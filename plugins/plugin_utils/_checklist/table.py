# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checklist for people: one table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from ansible_collections.turnout.bluegreen.plugins.plugin_utils._checklist.lines import (
    FAIL,
    GROUPS,
    IGNORE,
    PASS,
    WARN,
    Line,
    counts,
)

WIDTH = 120
#: Characters of the columns for check and host at most.
_CHECK, _HOST = 22, 26
#: More hosts than these that pass one check are one line.
_HOSTS = 3
_ORDER = (FAIL, WARN, PASS, IGNORE)
_SHOWN = {FAIL: "FAIL", WARN: "warn", PASS: "pass", IGNORE: "ignored"}


def table(title: str, lines: Sequence[Line], width: int = WIDTH) -> list[str]:
    """The lines by group, in each group the failed ones first; evidence is wrapped.

    Args:
        title: whose checklist it is.
        lines: after the policy.
        width: characters of a row at most.
    """
    rows = [row for group in GROUPS for row in _ordered(line for line in lines if line.group == group)]
    check = min(max((len(row.check) for row in rows), default=0), _CHECK)
    host = min(max((len(row.host) for row in rows), default=0), _HOST)
    told = ", ".join(f"{count} {_SHOWN[word]}" for word, count in counts(lines).items() if count)
    text = [f"  checklist of {title}: {told or 'nothing was checked'}"]
    last = ""
    for row, following in zip(rows, [*rows[1:], None]):
        if row.group != last:
            text.append(f"  {row.group}")
            last = row.group
        repeated = following is not None and _advice(row) == _advice(following)
        text += _row(row, check, host, width, advised=not repeated)
    return text


def _advice(row: Line) -> tuple[str, ...]:
    """Rows of one check, one below the other, share their next step when it is the same."""
    return row.group, row.check, row.status, row.remedy


def _ordered(lines: Iterable[Line]) -> list[Line]:
    found = list(lines)
    rows = []
    for status in _ORDER:
        mine = [line for line in found if line.status == status]
        for check in dict.fromkeys(line.check for line in mine):
            rows += _folded([line for line in mine if line.check == check])
    return rows


def _folded(lines: list[Line]) -> list[Line]:
    """A large fleet that is well needs one row for a check: what is read is what is not."""
    first, hosts = lines[0], len({line.host for line in lines})
    if first.status != PASS or hosts <= _HOSTS:
        return lines
    return [Line(first.check, first.group, f"{hosts} hosts", PASS, f"{first.host}: {first.evidence}")]


def _row(row: Line, check: int, host: int, width: int, advised: bool) -> list[str]:
    head = f"    {_SHOWN[row.status]:7}  {_clipped(row.check, check):{check}}  {_clipped(row.host, host):{host}}  "
    texts = [row.evidence]
    if row.status in (FAIL, WARN) and row.remedy and advised:
        texts.append(f"Next: {row.remedy}")
    room = max(width - len(head), 20)
    pieces = [piece for text in texts for piece in textwrap.wrap(text, room, break_on_hyphens=False)]
    return [head + pieces[0], *(" " * len(head) + piece for piece in pieces[1:])]


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "~"
