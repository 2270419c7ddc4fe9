# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found, line by line, so that a checklist can show it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

PASS, WARN, FAIL = "pass", "warn", "fail"
_ORDER = (PASS, WARN, FAIL)


@dataclass(frozen=True)
class Finding:
    """One question and its answer.

    Args:
        check: what was asked, a stable word.
        severity: pass, warn or fail.
        evidence: one sentence that says what was seen.
    """

    check: str
    severity: str
    evidence: str


def verdict(findings: Sequence[Finding]) -> str:
    """The worst severity; nothing was asked, nothing has failed."""
    return max((finding.severity for finding in findings), key=_ORDER.index, default=PASS)


def rows(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """As return values."""
    return [asdict(finding) for finding in findings]


def sentence(findings: Sequence[Finding]) -> str:
    """What is wrong; the failures before the warnings."""
    wrong = [finding for severity in (FAIL, WARN) for finding in findings if finding.severity == severity]
    return "; ".join(f"{finding.check}: {finding.evidence}" for finding in wrong)
