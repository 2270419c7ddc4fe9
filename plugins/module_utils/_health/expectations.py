# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a healthy answer looks like. Pure: bytes in, a reason out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: A longer body is read up to here. Health pages are small, and two hundred at once must fit in memory.
BODY_LIMIT = 256 * 1024

_SHOWN = 80


class HealthError(Exception):
    """The question was put wrongly: bad target, bad expectation, unreadable certificate."""


class MissingLibrary(HealthError):
    """A JSON expectation was asked for and jmespath is not installed."""


@dataclass(frozen=True)
class Response:
    """An answer. Header names are lower case, repeated headers are joined by a comma."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Outcome:
    """One try: the latency in seconds (None when nobody answered), and what was wrong (None: nothing)."""

    latency: float | None
    error: str | None = None


@dataclass(frozen=True)
class Expectation:
    """Everything that one answer must satisfy. A TCP target has only :attr:`max_latency`.

    ``headers`` maps lower-case names to a string (equal) or a pattern (found). ``json_query`` is a
    compiled JMESPath expression; with ``json_value`` None its result must be true in JMESPath's sense.
    ``max_latency`` is in seconds.
    """

    status: Sequence[range] = (range(200, 300),)
    body_contains: str | None = None
    body_regex: re.Pattern[str] | None = None
    headers: Mapping[str, str | re.Pattern[str]] = field(default_factory=dict)
    json_query: Any = None
    json_value: Any = None
    max_latency: float | None = None

    def failure(self, response: Response | None, latency: float) -> str | None:
        """Why the answer is not the expected one, or None. ``response`` is None for a bare connection.

        The reason carries no measured number, so that equal failures of many targets read the same.
        """
        if response is not None:
            reason = (
                self._status_failure(response.status)
                or self._header_failure(response.headers)
                or self._body_failure(response.body)
            )
            if reason:
                return reason
        if self.max_latency is not None and latency > self.max_latency:
            return f"slower than {self.max_latency * 1000:g} ms"
        return None

    def _status_failure(self, status: int) -> str | None:
        if any(status in span for span in self.status):
            return None
        wanted = ", ".join(f"{s.start}-{s.stop - 1}" if len(s) > 1 else str(s.start) for s in self.status)
        return f"status {status}, expected {wanted}"

    def _header_failure(self, headers: Mapping[str, str]) -> str | None:
        for name, wanted in self.headers.items():
            found = headers.get(name)
            if found is None:
                return f"header {name} is missing"
            if isinstance(wanted, str):
                if found != wanted:
                    return f"header {name} is {_shown(found)}, expected {_shown(wanted)}"
            elif not wanted.search(found):
                return f"header {name} is {_shown(found)}, expected to match {_shown(wanted.pattern)}"
        return None

    def _body_failure(self, body: bytes) -> str | None:
        if self.body_contains is None and self.body_regex is None and self.json_query is None:
            return None
        text = body.decode("utf-8", "replace")
        if self.body_contains is not None and self.body_contains not in text:
            return f"body does not contain {_shown(self.body_contains)}"
        if self.body_regex is not None and not self.body_regex.search(text):
            return f"body does not match {_shown(self.body_regex.pattern)}"
        return self._json_failure(text) if self.json_query is not None else None

    def _json_failure(self, text: str) -> str | None:
        import jmespath.exceptions

        expression = _shown(self.json_query.expression)
        try:
            found = self.json_query.search(json.loads(text))
        except (ValueError, RecursionError) as exc:  # JSON's own error is a ValueError, jmespath's too
            if isinstance(exc, jmespath.exceptions.JMESPathError):
                return f"JSON query {expression} cannot be answered from this body"
            limit = f"body is longer than {BODY_LIMIT // 1024} KiB"
            return limit if len(text) >= BODY_LIMIT else "body is not JSON"
        if self.json_value is None:
            # False in JMESPath: null, false and whatever is empty, but not the number 0.
            true = (found == 0 and not isinstance(found, bool)) or bool(found)
            return None if true else f"JSON query {expression} gave {_shown(found)}"
        if found == self.json_value or _as_json(found) == self.json_value:
            return None
        return f"JSON query {expression} gave {_shown(found)}, expected {_shown(self.json_value)}"


@dataclass(frozen=True)
class JsonQuery:
    """A compiled JMESPath expression together with its source."""

    expression: str
    compiled: Any

    def search(self, document: Any) -> Any:
        return self.compiled.search(document)


def json_query(expression: str) -> JsonQuery:
    """Compile a JMESPath expression (https://jmespath.org/specification.html).

    :raises MissingLibrary: without jmespath
    :raises HealthError: when the expression does not parse
    """
    try:
        import jmespath
        import jmespath.exceptions
    except ImportError as exc:
        raise MissingLibrary("jmespath") from exc
    try:
        return JsonQuery(expression, jmespath.compile(expression))
    except jmespath.exceptions.JMESPathError as exc:
        raise HealthError(f"json_query {expression!r} is no JMESPath expression: {exc}") from exc


def status_spans(statuses: Sequence[str]) -> tuple[range, ...]:
    """``["200-299", "301"]`` as ranges.

    :raises HealthError: when an item is neither a status nor a range of them
    """
    spans = []
    for item in statuses:
        match = re.fullmatch(r"\s*([1-5]\d\d)\s*(?:-\s*([1-5]\d\d)\s*)?", item)
        if not match or (match[2] and match[2] < match[1]):
            raise HealthError(f"status {item!r} is neither a status such as 200 nor a range such as 200-299")
        spans.append(range(int(match[1]), int(match[2] or match[1]) + 1))
    if not spans:
        raise HealthError("status is empty, no answer could ever be healthy")
    return tuple(spans)


def pattern(option: str, regex: str) -> re.Pattern[str]:
    """Compile a regular expression given by a user.

    :raises HealthError: naming the option when it does not compile
    """
    try:
        return re.compile(regex)
    except re.error as exc:
        raise HealthError(f"{option} {regex!r} is no regular expression: {exc}") from exc


def header_expectations(wanted: Mapping[str, Any]) -> dict[str, str | re.Pattern[str]]:
    """Expected response headers: a value that begins with ``~`` is a pattern, any other must be equal."""
    return {
        str(name).lower(): pattern("response_headers", str(value)[1:].strip()) if str(value).startswith("~") else str(value)
        for name, value in wanted.items()
    }


def _as_json(value: Any) -> str:
    # An expected value that came through a template is often text: "3" for 3, "true" for true.
    return json.dumps(value, sort_keys=True)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else _as_json(value)
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
