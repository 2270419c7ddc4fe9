# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request and its answer, cookies included. The only HTTP of this package."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException

from .._errors import BadInput
from .._health.client import Exchange, failure_reason, tls_context
from .._health.expectations import HealthError, Response
from .._health.targets import Target


@dataclass(frozen=True)
class Answer:
    """What came back.

    Args:
        response: status, joined headers and body.
        lines: the headers as they came, ``name: value`` each.
        set_cookies: values of the headers ``Set-Cookie``, which can not be joined (RFC 6265, section 3).
    """

    response: Response
    lines: Sequence[str] = ()
    set_cookies: Sequence[str] = ()


class NoAnswer(Exception):
    """There is none, and why; the same words for the same cause."""


class _Exchange(Exchange):
    """Keeps the headers apart."""

    def pairs(self) -> list[tuple[str, str]]:
        return [] if self._head is None else list(self._head.headers.items())


def ask(target: Target, body: bytes, timeout: float) -> Answer:
    """Send one request over a new connection. Redirects are not followed, proxies of the environment are not used.

    Args:
        target: where to, and the request's head.
        body: what follows the head.
        timeout: seconds that it may take in all.

    Raises:
        NoAnswer: the server or the network did not do their part.
        BadInput: a file of certificates that can not be used.
    """
    try:
        return asyncio.run(asyncio.wait_for(_exchange(target, target.request + body), timeout))
    except asyncio.TimeoutError as error:
        raise NoAnswer(f"no answer within {timeout:g} s") from error
    except HealthError as error:
        raise BadInput(str(error)) from error
    except (OSError, HTTPException, ValueError) as error:
        raise NoAnswer(failure_reason(error)) from error


async def _exchange(target: Target, request: bytes) -> Answer:
    loop = asyncio.get_running_loop()
    transport, exchange = await loop.create_connection(
        functools.partial(_Exchange, target.method, request, loop.create_future()),
        target.host,
        target.port,
        ssl=tls_context(target.tls) if target.tls else None,
        server_hostname=target.server_name,
    )
    try:
        response = await exchange.answer
    finally:
        transport.abort()
    pairs = exchange.pairs()
    cookies = [value for name, value in pairs if name.lower() == "set-cookie"]
    return Answer(response, [f"{name}: {value}" for name, value in pairs], cookies)
