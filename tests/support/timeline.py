# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the load client saw: counts, losses, and which colour answered when."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """One good answer. Times are ``time.monotonic()``, which all processes of a Linux host share."""

    sent: float
    done: float
    kind: str
    colour: str
    version: str
    client: int

    @property
    def ms(self) -> float:
        return (self.done - self.sent) * 1000


@dataclass(frozen=True)
class Loss:
    """One lost request; ``time`` is when it began (monotonic), ``colour`` empty when no head came."""

    time: float
    kind: str
    why: str
    colour: str
    ms: float


@dataclass(frozen=True)
class Summary:
    """The result of a load. ``requests`` counts answers and losses; ``losses`` holds the first 20 only.

    ``wall_offset`` is what to add to a monotonic time to get ``time.time()``. ``refused`` counts the HTTP/2 requests that were
    sent a second time, because the router had said that it had not processed them; they are no losses.
    """

    requests: int
    lost: int
    seconds: float
    cpu_seconds: float
    wall_offset: float
    preview: str
    lost_by_kind: dict[str, int]
    losses: tuple[Loss, ...]
    answers: tuple[Answer, ...]
    refused: int = 0

    @classmethod
    def load(cls, path: Path) -> Summary:
        """Read the file that the load client wrote."""
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        timeline, origin = record.pop("timeline"), record.pop("origin")
        names: Sequence[str] = timeline["names"]
        answers = tuple(
            Answer(origin + sent, origin + done, names[kind], names[colour], names[version], client)
            for sent, done, kind, colour, version, client in timeline["rows"]
        )
        losses = tuple(Loss(**loss) for loss in record.pop("losses"))
        return cls(losses=losses, answers=answers, **record)

    def dump(self, path: Path) -> None:
        """Write the file: names once, times relative to the first answer, to a microsecond."""
        origin = min((answer.sent for answer in self.answers), default=0.0)
        numbers: dict[str, int] = {}
        rows = [
            [
                round(answer.sent - origin, 6),
                round(answer.done - origin, 6),
                *(numbers.setdefault(name, len(numbers)) for name in (answer.kind, answer.colour, answer.version)),
                answer.client,
            ]
            for answer in self.answers
        ]
        record = {**vars(self), "origin": origin, "timeline": {"names": list(numbers), "rows": rows}}
        record["losses"] = [vars(loss) for loss in self.losses]
        del record["answers"]
        replace(path, record)

    def between(self, start: float = 0.0, end: float = float("inf")) -> Iterator[Answer]:
        """Answers to requests sent in the window."""
        return (answer for answer in self.answers if start <= answer.sent < end)

    def first(self, colour: str, after: float = 0.0) -> Answer | None:
        """The first answer of a colour that was complete at ``after`` or later."""
        chosen = (answer for answer in self.answers if answer.colour == colour and answer.done >= after)
        return min(chosen, key=lambda answer: answer.done, default=None)

    def last(self, colour: str, before: float = float("inf")) -> Answer | None:
        """The last answer of a colour to a request sent before ``before``, by the time it was sent."""
        chosen = (answer for answer in self.answers if answer.colour == colour and answer.sent < before)
        return max(chosen, key=lambda answer: answer.sent, default=None)

    @property
    def rps(self) -> float:
        """Requests per second, over the whole time of the load."""
        return self.requests / self.seconds

    def strays(self, old: str, since: float, until: float = float("inf")) -> list[Answer]:
        """Answers of the old colour to requests sent after the switch had returned."""
        return [answer for answer in self.between(since, until) if answer.colour == old]

    def percent(self, start: float = 0.0, end: float = float("inf")) -> dict[str, float]:
        """Share of each colour, in percent, of the requests sent in the window."""
        counts = Counter(answer.colour for answer in self.between(start, end))
        return {colour: 100 * count / sum(counts.values()) for colour, count in counts.items()}

    def versions(self, start: float = 0.0, end: float = float("inf")) -> Counter[str]:
        """How many answers of each version of the application."""
        return Counter(answer.version for answer in self.between(start, end))

    def latency_ms(self, quantile: float, kind: str, start: float = 0.0, end: float = float("inf")) -> float:
        """A latency quantile (0..1) of one kind of request, in ms; nan when there is none."""
        values = sorted(answer.ms for answer in self.between(start, end) if answer.kind == kind)
        return values[min(int(quantile * len(values)), len(values) - 1)] if values else float("nan")


@dataclass(frozen=True)
class Progress:
    """What a running load client says; ``colours`` counts the answers of the last half second."""

    requests: int = 0
    lost: int = 0
    seconds: float = 0.0
    colours: dict[str, int] | None = None

    @classmethod
    def load(cls, path: Path) -> Progress:
        """What the file says; zeros while there is none yet."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls()


def replace(path: Path, record: object) -> None:
    """Write JSON such that a reader sees the old file or the new one, never a part."""
    partial = path.with_name(path.name + ".new")
    partial.write_text(json.dumps(record, separators=(",", ":")), encoding="utf-8")
    partial.replace(path)
