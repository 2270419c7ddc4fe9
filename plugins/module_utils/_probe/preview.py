# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preview way: one colour, past the split, and never the other one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._errors import Unhealthy
from .client import Client, Outcome
from .errors import WrongColour
from .requests import Asked, build
from .tally import Tally

#: Requests that are sent one after the other until the colour has answered one.
_FIRST = 5
_NEXT = "no further request was sent; does base_url lead to the preview way of this service?"


def ask(params: Mapping[str, Any], colour: str, paths: Sequence[str], agent: str) -> Asked:
    """Requests to one colour through the preview way.

    Args:
        params: the options of a module that has those of ``PREVIEW_OPTIONS`` and ``CLIENT_OPTIONS``.
        colour: which one.
        paths: what to ask for.
        agent: the header ``User-Agent``.

    Raises:
        BadInput: an option that can not be used.
    """
    headers = {"X-Bluegreen-Preview": colour, "X-Bluegreen-Service": params["service"]}
    return build(params["base_url"], paths, agent, params, headers)


def stray(outcome: Outcome, named: str, colour: str) -> str:
    """Why this may be an answer of another colour than the one that was asked; empty when it is not.

    An error of the router itself, such as 503 when no server is left, names no colour and is none.

    Args:
        outcome: what came back.
        named: the colour that the answer names, or empty.
        colour: the one that was asked.
    """
    if outcome.answer is None or named == colour or (not named and outcome.answer.status >= 500):
        return ""
    by = named or f"an unknown colour (status {outcome.answer.status} without its header)"
    return f"a request to {colour} was answered by {by}"


async def meet(client: Client, asked: Asked, colour: str, tally: Tally) -> None:
    """Make sure that the way leads to the colour, with single requests, before any load is sent.

    Raises:
        WrongColour: another colour answers, or one that is not named.
        Unhealthy: nobody does.
    """
    reasons = []
    for request in asked.requests[:_FIRST]:
        outcome = await client.fetch(request, True)
        named = tally.colour_of(outcome)
        if named == colour:
            return
        why = stray(outcome, named, colour)
        if why:
            raise WrongColour(f"{asked.url}: {why}", _NEXT)
        reasons.append(tally.failure_of(outcome))
    told = ", ".join(sorted(set(filter(None, reasons))))
    raise Unhealthy(f"{asked.url}: {colour} does not answer: {told}", "look at its health first; no further request was sent")
