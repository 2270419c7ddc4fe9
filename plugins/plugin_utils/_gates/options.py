# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One dictionary of a user, read key by key; every error names the place, the key, what was found and what is expected."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput

from .wording import clipped

_TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_LONGEST = 60


@dataclass(frozen=True)
class Range:
    """Which numbers are meant. ``above`` and ``below`` are not among them, ``least`` and ``most`` are."""

    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf
    below: float = math.inf

    def has(self, value: float) -> bool:
        """Whether the number is a finite one of these."""
        return math.isfinite(value) and self.least <= value <= self.most and self.above < value < self.below

    def text(self) -> str:
        """``a number, at least 0.5, below 1``."""
        words = {"at least": self.least, "at most": self.most, "above": self.above, "below": self.below}
        return ", ".join(["a number", *(f"{word} {bound:g}" for word, bound in words.items() if math.isfinite(bound))])


class Options:
    """A dictionary whose keys with the value null are not given.

    Numbers and truth values may be texts, as templates make them.

    Args:
        where: what the dictionary describes, for errors.
        given: the dictionary.
    """

    def __init__(self, where: str, given: Mapping[Any, Any]) -> None:
        self.where = where
        self.given = {key: value for key, value in given.items() if value is not None}

    def wrong(self, key: str, expected: str) -> BadInput:
        """The error about the value of a key."""
        found = shown(self.given[key]) if key in self.given else "nothing"
        return BadInput(f"{self.where}, {key}: found {found}, expected {expected}")

    def known(self, keys: Collection[str]) -> None:
        """Raise BadInput for the first key that is none of these."""
        for key in self.given:
            if key not in keys:
                close = get_close_matches(str(key)[:_LONGEST], keys, 1)
                remedy = f"did you mean {close[0]}?" if close else ""
                raise BadInput(f"{self.where}: found the unknown key {shown(key)}, expected of {', '.join(sorted(keys))}", remedy)

    def number(self, key: str, default: float, allowed: Range) -> float:
        """A number; raises BadInput for anything else."""
        value = self.maybe_number(key, allowed)
        return default if value is None else value

    def maybe_number(self, key: str, allowed: Range) -> float | None:
        """A number, None when it is not given; raises BadInput for anything else."""
        value = self.given.get(key)
        if value is None:
            return None
        try:
            number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        if not allowed.has(number):
            raise self.wrong(key, allowed.text())
        return number

    def whole(self, key: str, default: int, least: int) -> int:
        """A whole number; raises BadInput for anything else."""
        value = self.maybe_whole(key, least)
        return default if value is None else value

    def maybe_whole(self, key: str, least: int) -> int | None:
        """A whole number, None when it is not given; raises BadInput for anything else."""
        value = self.maybe_number(key, Range(least=least))
        if value is None:
            return None
        if value != int(value):
            raise self.wrong(key, f"a whole number, at least {least}")
        return int(value)

    def truth(self, key: str, default: bool) -> bool:
        """True or false; raises BadInput for anything else."""
        value = self.given.get(key, default)
        found = value if isinstance(value, bool) else _TRUTHS.get(value.strip().lower()) if isinstance(value, str) else None
        if found is None:
            raise self.wrong(key, "true or false")
        return found

    def choice(self, key: str, choices: Collection[str], default: str | None = None) -> str:
        """One of the words; raises BadInput for anything else, and for none when there is no default."""
        value = self.given.get(key, default)
        if not isinstance(value, str) or value not in choices:
            raise self.wrong(key, f"one of {', '.join(choices)}")
        return str(value)

    def line(self, key: str, longest: int) -> str:
        """A text that fits into a line for people; raises BadInput for anything else."""
        value = self.given.get(key)
        if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > longest:
            raise self.wrong(key, f"a text of one line, at most {longest} characters")
        return str(value)


def shown(value: Any) -> str:
    """What was found, for an error: short, and never what is inside of a list or a dictionary, which may be secret."""
    if isinstance(value, str):
        return clipped(repr(str(value)), _LONGEST)
    if isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 10**_LONGEST):
        return repr(value)
    names = {dict: "a dictionary", list: "a list", int: "a huge number", type(None): "nothing"}
    return names.get(type(value), f"a {type(value).__name__}")
