# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of the checklist, and the user's policy for each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput

GROUPS = ("infrastructure", "data", "session", "rollback", "own")
PASS, WARN, FAIL, IGNORE = "pass", "warn", "fail", "ignore"
#: What a policy may make of a line that is no pass.
POLICIES = (FAIL, WARN, IGNORE)
#: The checks of this collection. A policy for any of them is no mistake, although not every release has all of them.
KNOWN = frozenset(
    {
        "disk",
        "inodes",
        "memory",
        "cpu",
        "open_files",
        "unit_open_files",
        "clock",
        "router_connections",
        "router_open_files",
        "database_connections",
        "session",
        "stable_healthy",
        "journal",
        "fast_way",
        "rollback_proven",
    }
)
#: Characters of evidence and remedy that are kept.
LONGEST = 1000


@dataclass(frozen=True)
class Line:
    """One line of the checklist.

    Args:
        check: its word, by which a policy names it.
        group: one of :data:`GROUPS`.
        host: whom it is about.
        status: ``pass``, ``warn`` or ``fail``; ``ignore`` when it is no pass and the policy says so.
        evidence: what was found and what was expected.
        remedy: the next step when it is no pass.
    """

    check: str
    group: str
    host: str
    status: str
    evidence: str
    remedy: str = ""

    @classmethod
    def parse(cls, value: Any) -> Line:
        """Read a line as a module or a task of the user has made it.

        Raises:
            BadInput: it is none; the message quotes it.
        """
        if not isinstance(value, Mapping):
            raise BadInput(f"a line of the checklist is {value!r}", "expected a dictionary with check, host, status and evidence")
        unknown = sorted(str(name) for name in set(value) - {"check", "group", "host", "status", "evidence", "remedy"})
        given = {
            "group": "own",
            "remedy": "",
            **{name: value.get(name) for name in ("check", "host", "status", "evidence")},
            **value,
        }
        texts = {name: _plain(text) if isinstance(text, str) else text for name, text in given.items()}
        wrong = unknown + [name for name, text in texts.items() if not isinstance(text, str)]
        wrong += [name for name in ("check", "host", "evidence") if not texts[name]]
        wrong += [
            name
            for name, allowed in (("status", (PASS, WARN, FAIL)), ("group", GROUPS))
            if isinstance(texts[name], str) and texts[name] not in allowed
        ]
        if wrong:
            raise BadInput(
                f"a line of the checklist is {dict(value)!r}, and {', '.join(dict.fromkeys(wrong))} can not be meant",
                f"expected texts: check, host, evidence, status ({PASS}, {WARN} or {FAIL}), group ({', '.join(GROUPS)}), remedy",
            )
        return cls(**{name: str(text) for name, text in texts.items()})

    def as_dict(self) -> dict[str, str]:
        """Plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.host}: {self.check}: {self.evidence}" + (f". Next: {self.remedy}" if self.remedy else "")


def _plain(text: str) -> str:
    """One line without control characters: what a command has said goes to a terminal."""
    line = re.sub(r"[^\x20-\x7e\xa0-\U0010ffff]+", " ", text)
    line = " ".join(line.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."


def judge(lines: Iterable[Line], policy: Mapping[str, Any]) -> list[Line]:
    """The lines as the policy wants them: it decides what a line that is no pass counts as; without one its own word counts.

    Args:
        lines: as they were found.
        policy: ``fail``, ``warn`` or ``ignore`` by check.

    Raises:
        BadInput: the policy names a check that there is not, or another word.
    """
    found = list(lines)
    names = KNOWN | {line.check for line in found}
    for check, word in policy.items():
        if word not in POLICIES:
            raise BadInput(f"the policy of the check {check} is {word!r}", f"expected {', '.join(POLICIES)}")
        if check not in names:
            raise BadInput(f"the policy names the check {check!r}, which there is not", f"there are {', '.join(sorted(names))}")
    return [line if line.status == PASS else replace(line, status=policy.get(line.check, line.status)) for line in found]


def counts(lines: Sequence[Line]) -> dict[str, int]:
    """How many lines have which status."""
    return {word: sum(line.status == word for line in lines) for word in (PASS, WARN, FAIL, IGNORE)}


def refusal(lines: Sequence[Line]) -> str:
    """Each failed line with its host, its evidence and the next step; empty when there is none."""
    failed = [str(line) for line in lines if line.status == FAIL]
    if not failed:
        return ""
    many = f"{len(failed)} lines" if len(failed) > 1 else "one line"
    return f"the checklist has {many} that failed: {'; '.join(failed)}"
