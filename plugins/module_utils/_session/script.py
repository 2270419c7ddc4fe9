# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked: the requests of a login, and the one that tells whether somebody is logged in. Pure.

``${name}`` in a request stands for what an earlier answer held. Ansible's templates leave it alone, other than ``{{ name }}``.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable
from urllib.parse import quote, urlencode

from .._errors import BadInput
from .._health.expectations import HealthError, MissingLibrary, Response, pattern
from .._health.targets import TARGET_OPTIONS, Target, TargetParser, redacted

_EXPECTATIONS = ("status", "body_contains", "body_regex", "json_query", "json_value")
_CONTENTS = ("form", "json", "body")
STEP_OPTIONS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "method": {"type": "str", "choices": ["GET", "HEAD", "POST", "PUT", "PATCH"]},
    "form": {"type": "dict"},
    "json": {"type": "dict"},
    "body": {"type": "str"},
    "headers": {"type": "dict"},
    "status": {"type": "list", "elements": "str"},
    "body_contains": {"type": "str"},
    "body_regex": {"type": "str"},
    "json_query": {"type": "str"},
    "json_value": {"type": "raw"},
}
LOGIN_OPTIONS: dict[str, dict[str, Any]] = {**STEP_OPTIONS, "store": {"type": "dict"}}

_PLACE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_OURS = ("connection", "content-length", "cookie", "expect", "te", "transfer-encoding", "upgrade")
_TYPES = {"form": "application/x-www-form-urlencoded", "json": "application/json"}
_SHORTEST_SECRET = 4


@dataclass(frozen=True)
class Way:
    """How requests reach a colour: where to, by which name, and with which headers."""

    base_url: str
    headers: Mapping[str, str]
    host_header: str | None
    timeout: float
    validate_certs: bool
    ca_path: str | None


@dataclass(frozen=True)
class Step:
    """One request. ``label`` is what people call it: it holds no secret."""

    label: str
    path: str
    method: str
    headers: Mapping[str, str]
    kind: str | None
    content: Any
    expectations: Mapping[str, Any]
    store: Mapping[str, re.Pattern[str]]

    def request(self, way: Way, values: Mapping[str, str], cookie: str | None) -> tuple[Target, bytes]:
        """The bytes to send: target with the head, and body.

        Args:
            way: where to.
            values: what earlier answers held.
            cookie: the header ``Cookie``, or None.

        Raises:
            BadInput: a value that can not stand where it is to stand.
        """
        body = self._body(values)
        headers = {name: fill(value, values) for name, value in self.headers.items()}
        if self.kind in _TYPES and "content-type" not in {name.lower() for name in headers}:
            headers["Content-Type"] = _TYPES[self.kind]
        if self.kind is not None or self.method in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = str(len(body))
        if cookie is not None:
            headers["Cookie"] = cookie
        common = {name: spec.get("default") for name, spec in TARGET_OPTIONS.items()}
        common.update({name: value for name, value in self.expectations.items() if value is not None})
        common.update(method=self.method, base_url=way.base_url, headers={**headers, **way.headers})
        common.update(host_header=way.host_header, validate_certs=way.validate_certs, ca_path=way.ca_path, timeout=way.timeout)
        try:
            return TargetParser(common).parse(fill(self.path, values, _quoted)), body
        except MissingLibrary as error:
            raise BadInput(
                f"{self.label}: json_query needs the Python library jmespath here", "install python3-jmespath"
            ) from error
        except HealthError as error:
            raise BadInput(f"{self.label}: {error}") from error

    def _body(self, values: Mapping[str, str]) -> bytes:
        filled = _filled(self.content, values)
        if self.kind == "form":
            return urlencode({name: _form_value(value) for name, value in filled.items()}, doseq=True).encode()
        if self.kind == "json":
            return json.dumps(filled).encode()
        return (filled or "").encode()

    def stored(self, response: Response, lines: Sequence[str]) -> dict[str, str]:
        """What is to be kept of an answer: found in its body, or else in its headers.

        Raises:
            LookupError: naming what was not found.
        """
        text = response.body.decode("utf-8", "replace")
        markup = "html" in response.headers.get("content-type", "")
        found = {}
        for name, regex in self.store.items():
            match = regex.search(text)
            escaped = match is not None and markup
            match = match or next(filter(None, map(regex.search, lines)), None)
            if match is None:
                raise LookupError(name)
            value = (match[1] if regex.groups else match[0]) or ""
            found[name] = html.unescape(value) if escaped else value
        return found

    def failure(self, target: Target, response: Response, secrets: Sequence[str]) -> str:
        """Why the answer is not the expected one, or an empty text. Nothing of what the server sent is in it."""
        reason = target.expectation.failure(response, 0.0) or ""
        if reason.startswith("JSON query"):
            reason = reason.partition(" gave ")[0] + " gave something else" if " gave " in reason else reason
        return redacted(reason, secrets)

    def secrets(self) -> tuple[str, ...]:
        """What of this request must not be repeated."""
        return long_enough([*leaves(self.content), *self.headers.values()])


def parse_login(entries: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """The requests of a login, in their order.

    Raises:
        BadInput: naming the first one that can not be meant.
    """
    steps: list[Step] = []
    known: set[str] = set()
    for position, entry in enumerate(entries):
        step = _step(f"login[{position}]", entry, ["200-399"], known)
        known |= set(step.store)
        steps.append(step)
    return tuple(steps)


def parse_check(entry: Mapping[str, Any], login: Sequence[Step]) -> Step:
    """The request that tells whether somebody is logged in.

    Raises:
        BadInput: it can not be meant.
    """
    return _step("check", entry, ["200-299"], {name for step in login for name in step.store})


def fill(text: str, values: Mapping[str, str], encode: Callable[[str], str] = str) -> str:
    """The text with each ``${name}`` replaced, by nothing where it is not known; ``$${`` is a plain ``${``."""
    return _PLACE.sub(lambda place: encode(values.get(place[1], "")) if place[1] else "${", text)


def leaves(content: Any) -> Iterator[str]:
    """Every text and number in form, JSON or body."""
    if isinstance(content, Mapping):
        for value in content.values():
            yield from leaves(value)
    elif isinstance(content, (list, tuple)):
        for value in content:
            yield from leaves(value)
    elif content is not None and not isinstance(content, bool):
        yield str(content)


def long_enough(texts: Sequence[str]) -> tuple[str, ...]:
    """Those that can be looked for in a message without taking it apart, as they are and as a message quotes them."""
    forms = {form for text in texts for form in (text, json.dumps(text)[1:-1], repr(text)[1:-1])}
    return tuple(form for form in forms if len(form) >= _SHORTEST_SECRET)


def _step(where: str, entry: Mapping[str, Any], status: Sequence[str], known: set[str]) -> Step:
    path = entry["path"]
    if not path.startswith("/"):
        raise BadInput(f"{where}: path does not begin with a slash")
    kinds = [kind for kind in _CONTENTS if entry.get(kind) is not None]
    if len(kinds) > 1:
        raise BadInput(f"{where}: {' and '.join(kinds)} are given: expected one of them")
    kind = kinds[0] if kinds else None
    content = entry[kind] if kind else None
    headers = {str(name): str(value) for name, value in (entry.get("headers") or {}).items()}
    for name in headers:
        if name.strip().lower() in _OURS:
            raise BadInput(f"{where}: the header {name} is this client's own", "give a session's cookies by the option cookie")
    for text in (path, *headers.values(), *leaves(content)):
        if any(place[1] and place[1] not in known for place in _PLACE.finditer(text)):
            raise BadInput(
                f"{where}: a ${{name}} stands for nothing that an earlier request stores",
                "store it there, or write $${ for a plain ${",
            )
    method = entry.get("method") or ("POST" if kind else "GET")
    expectations = {name: entry.get(name) for name in _EXPECTATIONS}
    expectations["status"] = expectations["status"] or status
    label = f"{where} {method} {path.partition('?')[0]}"
    try:
        store = {str(name): pattern(f"store.{name}", str(regex)) for name, regex in (entry.get("store") or {}).items()}
    except HealthError as error:
        raise BadInput(f"{where}: {error}") from error
    for name in store:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise BadInput(f"{where}: store has the name {name!r}: expected letters, digits and underscores")
    return Step(label, path, method, headers, kind, content, expectations, store)


def _filled(content: Any, values: Mapping[str, str]) -> Any:
    if isinstance(content, str):
        return fill(content, values)
    if isinstance(content, Mapping):
        return {name: _filled(value, values) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_filled(value, values) for value in content]
    return content


def _form_value(value: Any) -> Any:
    """As an HTML form would send it: nothing for null, small letters for a boolean."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value


def _quoted(value: str) -> str:
    return quote(value, safe="")
