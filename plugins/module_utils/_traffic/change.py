# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a state means for a router: the one value that check mode, diff and ``changed`` come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .._journal import Journal
from .._router import Observation
from .._routing import Routing


@dataclass(frozen=True)
class Change:
    """What a state means for this router now.

    Args:
        seen: what was there.
        journal: the journal as it shall be.
        routing: the routing as it shall be; None when the task is not about traffic.
        note: one sentence about what this does, or about why nothing is to be done.
    """

    seen: Observation
    journal: Journal
    routing: Routing | None = None
    note: str = ""

    @property
    def moves_traffic(self) -> bool:
        """The data path or what it would do after a restart is not yet as it shall be."""
        return self.routing is not None and not (self.seen.in_force == self.routing == self.seen.durable)

    @property
    def writes_journal(self) -> bool:
        """The journal says something else than it shall."""
        return self.seen.journal is None or _facts(self.seen.journal) != _facts(self.journal)

    @property
    def needed(self) -> bool:
        """Something is to be done."""
        return self.moves_traffic or self.writes_journal

    def diff(self) -> dict[str, Any]:
        """``before`` and ``after`` as Ansible shows them with ``--diff``."""
        seen = self.seen
        routing = self.routing or seen.in_force
        return {
            "before": _picture(seen.in_force, seen.durable, seen.journal),
            "after": _picture(routing, self.routing or seen.durable, self.journal if self.needed else seen.journal),
        }


def _facts(journal: Journal) -> Journal:
    return replace(journal, changed_at=0.0, changed_by="", interrupted=False)


def _picture(in_force: Routing | None, durable: Routing | None, journal: Journal | None) -> dict[str, Any]:
    record = journal.as_dict() if journal else {}
    for name in ("changed_at", "changed_by", "format", "routing", "interrupted"):
        record.pop(name, None)
    return {
        "in_force": str(in_force) if in_force else "in doubt",
        "after_restart": str(durable) if durable else "in doubt",
        "journal": record or None,
    }
