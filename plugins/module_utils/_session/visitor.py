# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One user with a browser: logs in through one colour, and looks through either whether the session is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable
from urllib.parse import urlsplit

from .._health.targets import Target
from .._probe.errors import WrongColour
from .client import Answer, NoAnswer
from .jar import Jar
from .script import Step, Way, long_enough

Ask = Callable[[Target, bytes, float], Answer]


@dataclass(frozen=True)
class Look:
    """One look at a page. ``failure`` is why it is not the one of a user who is logged in; ``status`` is 0 without an answer."""

    failure: str
    status: int


class Visitor:
    """A user, who has no cookie at first.

    Args:
        ways: how to reach each colour.
        colour_header: header by which an answer names its colour.
        ask: sends one request; raises NoAnswer.
    """

    def __init__(self, ways: dict[str, Way], colour_header: str, ask: Ask) -> None:
        self._ways, self._colour_header, self._ask = ways, colour_header.lower(), ask
        some = next(iter(ways.values()))
        self.jar = Jar(some.host_header or urlsplit(some.base_url).netloc.rpartition("@")[2])
        self.refused: list[str] = []
        self._values: dict[str, str] = {}

    def login(self, steps: Sequence[Step], colour: str) -> str:
        """Send the requests of a login. Returns why it failed, or an empty text.

        Raises:
            WrongColour: another colour has answered.
            BadInput: a value of an answer can not stand where it is to stand.
        """
        for step in steps:
            answer, failure = self._send(step, colour)
            if failure or answer is None:
                return f"{step.label}: {failure}"
            try:
                self._values.update(step.stored(answer.response, answer.lines))
            except LookupError as error:
                return f"{step.label}: nothing in the answer matches store.{error.args[0]}"
        return ""

    def look(self, step: Step, colour: str) -> Look:
        """Send the request that tells whether somebody is logged in.

        Raises:
            WrongColour: another colour has answered.
        """
        answer, failure = self._send(step, colour)
        return Look(failure, answer.response.status if answer else 0)

    def _send(self, step: Step, colour: str) -> tuple[Answer | None, str]:
        path = step.path.partition("?")[0]
        target, body = step.request(self._ways[colour], self._values, self.jar.header(path))
        try:
            answer = self._ask(target, body, self._ways[colour].timeout)
        except NoAnswer as error:
            return None, str(error)
        self._must_be(colour, step, answer)
        self.refused += self.jar.take(path, answer.set_cookies)
        return answer, step.failure(target, answer.response, self._secrets(step))

    def _must_be(self, colour: str, step: Step, answer: Answer) -> None:
        named = answer.response.headers.get(self._colour_header, "")
        if named == colour or (not named and answer.response.status >= 500):
            return  # an error of the router itself, such as 503 when no server is left, names no colour
        by = named if named in self._ways else "a colour that it does not name"
        raise WrongColour(
            f"{step.label}: asked of {colour}, answered by {by} with status {answer.response.status}",
            "base_url must lead to the preview way of this service",
        )

    def _secrets(self, step: Step) -> tuple[str, ...]:
        return (*step.secrets(), *long_enough([*self._values.values(), *self.jar.content().values()]))
