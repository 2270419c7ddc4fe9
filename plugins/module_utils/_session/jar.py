# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cookies of one user, kept as a browser at the public address keeps them. No network.

The preview way is another address than the public one, and mostly without TLS. A cookie that the application gives to
``shop.example.com`` with ``Secure`` would be dropped there (RFC 6265, sections 4.1.2 and 5.3), although every user has it.
So domain and path are judged by the public host's name, and the way to it counts as secure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.message import Message
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, cast
from urllib.request import Request

from .._errors import BadInput


class _Headers:
    """What :meth:`CookieJar.extract_cookies` wants to see of an answer."""

    def __init__(self, set_cookies: Sequence[str]) -> None:
        self._message = Message()
        for value in set_cookies:
            self._message["Set-Cookie"] = value

    def info(self) -> Message:
        return self._message


class Jar:
    """A jar of cookies for one public host.

    Args:
        host: the name that users come by, with or without a port.
    """

    def __init__(self, host: str) -> None:
        self._origin = f"https://{host}"
        self._policy = DefaultCookiePolicy()
        self._jar = CookieJar(self._policy)

    def header(self, path: str) -> str | None:
        """The header ``Cookie`` of a request for this path, or None."""
        request = Request(self._origin + path)
        self._jar.add_cookie_header(request)
        value = request.get_header("Cookie")
        return None if value is None else str(value)

    def take(self, path: str, set_cookies: Sequence[str]) -> list[str]:
        """Take over what an answer to a request for this path sets.

        Returns:
            The names of the cookies that a browser at the public host would refuse, because they are for another one.
        """
        request = Request(self._origin + path)
        answer = cast(Any, _Headers(set_cookies))
        made = self._jar.make_cookies(answer, request)
        self._jar.extract_cookies(answer, request)
        return [cookie.name for cookie in made if not self._policy.set_ok(cookie, request)]

    def put(self, pairs: str) -> None:
        """Put cookies in that were given as ``name=value; name=value``.

        Raises:
            BadInput: they are not of this form. They are not repeated.
        """
        cookies = [pair.strip() for pair in pairs.split(";") if pair.strip()]
        for cookie in cookies:
            if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+=[\x21-\x7e]*", cookie):
                raise BadInput("cookie is not name=value, or more of that with a semicolon between them")
        if not cookies:
            raise BadInput("cookie is empty: expected name=value")
        self.take("/", [f"{cookie}; Path=/" for cookie in cookies])

    def content(self) -> dict[str, str]:
        """Values by name."""
        return {cookie.name: cookie.value or "" for cookie in self._jar}
