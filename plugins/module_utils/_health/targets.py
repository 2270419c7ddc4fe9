# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the module's options to the targets of a poll. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .expectations import (
    Expectation,
    HealthError,
    header_expectations,
    json_query,
    pattern,
    status_spans,
)

#: What holds for every target, and what a single one may say otherwise.
TARGET_OPTIONS: dict[str, dict[str, Any]] = {
    "method": {"type": "str", "default": "GET", "choices": ["GET", "HEAD", "OPTIONS"]},
    "headers": {"type": "dict", "no_log": True},
    "host_header": {"type": "str"},
    "server_name": {"type": "str"},
    "status": {"type": "list", "elements": "str", "default": ["200-299"]},
    "body_contains": {"type": "str"},
    "body_regex": {"type": "str"},
    "json_query": {"type": "str"},
    "json_value": {"type": "raw"},
    "response_headers": {"type": "dict"},
    "max_latency_ms": {"type": "float"},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "timeout": {"type": "float", "default": 5.0},
    "interval": {"type": "float", "default": 1.0},
    "successes": {"type": "int", "default": 1},
    "max_failures": {"type": "int"},
}

_PORTS = {"http": 80, "https": 443, "tcp": None}
_PATH_CHARACTERS = "/%:=&?~+!$,;'@()*[]"
_UNPRINTABLE = r"[\x00-\x20\x7f]"
_SHORTEST_SECRET = 4


@dataclass(frozen=True)
class Tls:
    """How to make a TLS connection; paths are files on the host that polls."""

    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None


@dataclass(frozen=True)
class Policy:
    """When a target counts as healthy or given up. Times are in seconds."""

    successes: int = 1
    max_failures: int | None = None
    timeout: float = 5.0
    interval: float = 1.0


@dataclass(frozen=True)
class Target:
    """One endpoint. ``url`` is without user and password; ``request`` is empty for a bare TCP connection.

    ``secrets`` must not be repeated in any message, whatever the endpoint sends back.
    """

    name: str
    url: str
    host: str
    port: int
    policy: Policy
    expectation: Expectation
    method: str = "GET"
    request: bytes = b""
    tls: Tls | None = None
    server_name: str | None = None
    secrets: tuple[str, ...] = ()


class TargetParser:
    """Makes targets of URLs and mappings; what is common to them is worked out once.

    :param common: the module's validated parameters (a superset of :data:`TARGET_OPTIONS`)
    """

    def __init__(self, common: Mapping[str, Any]) -> None:
        self._common = {option: common[option] for option in TARGET_OPTIONS}
        self._base = (common.get("base_url") or "").rstrip("/")
        self._shared = (_policy(self._common), _expectation(self._common))
        overrides = {name: {**spec} for name, spec in TARGET_OPTIONS.items()}
        for spec in overrides.values():
            spec.pop("default", None)
        overrides.update(url={"type": "str", "required": True}, name={"type": "str"})
        self._overrides = ArgumentSpecValidator(overrides)

    def parse(self, entry: Any) -> Target:
        """One entry of the option ``targets``.

        :raises HealthError: when it is no target; the message repeats neither URL nor header
        """
        if isinstance(entry, str):
            return _target(self._absolute(entry), None, self._common, self._shared)
        if not isinstance(entry, Mapping):
            raise HealthError("neither a URL nor a mapping with url")
        result = self._overrides.validate(entry)
        if result.error_messages:
            secrets = result._no_log_values
            raise HealthError("; ".join(redacted(text, secrets) for text in result.error_messages))
        given = {name: value for name, value in result.validated_parameters.items() if value is not None}
        options = {**self._common, **given}
        return _target(self._absolute(given["url"]), given.get("name"), options, (_policy(options), _expectation(options)))

    def _absolute(self, url: str) -> str:
        """A path is below the base URL."""
        return self._base + url if url.startswith("/") and self._base else url


def parse_targets(entries: list[Any], common: Mapping[str, Any]) -> list[Target]:
    """All targets of a task, in its order.

    :raises HealthError: naming the first entry that is wrong by its position (counted from 0)
    """
    if not entries:
        raise HealthError("targets is empty: nothing was asked, so nothing can be called healthy")
    parser = TargetParser(common)
    targets = []
    for position, entry in enumerate(entries):
        try:
            targets.append(parser.parse(entry))
        except HealthError as exc:
            raise type(exc)(f"targets[{position}]: {exc}") from exc
    return targets


def redacted(text: str, secrets: Any) -> str:
    """The text with every secret replaced by asterisks, longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "********")
    return text


def _policy(options: Mapping[str, Any]) -> Policy:
    least = {"successes": 1, "max_failures": 0, "interval": 0}
    for option, bound in least.items():
        if options[option] is not None and options[option] < bound:
            raise HealthError(f"{option} must be at least {bound}, not {options[option]}")
    if not options["timeout"] > 0:
        raise HealthError(f"timeout must be more than 0 seconds, not {options['timeout']}")
    return Policy(options["successes"], options["max_failures"], options["timeout"], options["interval"])


def _expectation(options: Mapping[str, Any]) -> Expectation:
    regex, query, limit = options["body_regex"], options["json_query"], options["max_latency_ms"]
    if options["json_value"] is not None and query is None:
        raise HealthError("json_value needs json_query")
    return Expectation(
        status=status_spans(options["status"]),
        body_contains=options["body_contains"],
        body_regex=None if regex is None else pattern("body_regex", regex),
        headers=header_expectations(options["response_headers"] or {}),
        json_query=None if query is None else json_query(query),
        json_value=options["json_value"],
        max_latency=None if limit is None else limit / 1000,
    )


def _target(url: str, name: str | None, options: Mapping[str, Any], shared: tuple[Policy, Expectation]) -> Target:
    parts, port = _split(url)
    host = parts.hostname or ""
    bare = f"[{host}]" if ":" in host else host
    clean = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    policy, expectation = shared
    if parts.scheme == "tcp":
        return Target(name or clean, clean, host, port, policy, expectation)
    for option in ("host_header", "server_name"):
        if re.search(_UNPRINTABLE, options[option] or ""):
            raise HealthError(f"{option} has a space or a control character")
    headers, secrets = _request_headers(parts, options["headers"] or {})
    authority = bare if port == _PORTS[parts.scheme] else f"{bare}:{port}"
    headers.setdefault("host", ("Host", options["host_header"] or authority))
    tls, server_name = None, None
    if parts.scheme == "https":
        tls = Tls(*(options[option] for option in ("validate_certs", "ca_path", "client_cert", "client_key")))
        virtual_host = (options["host_header"] or "").partition(":")[0]
        server_name = options["server_name"] or virtual_host or host
    path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_PATH_CHARACTERS)
    lines = [f"{options['method']} {path} HTTP/1.1", *(f"{key}: {text}" for key, text in headers.values())]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")
    method = options["method"]
    return Target(name or clean, clean, host, port, policy, expectation, method, request, tls, server_name, secrets)


def _split(url: str) -> tuple[SplitResult, int]:
    """The URL's parts and its port. Errors do not repeat the URL: it may carry a password."""
    if re.search(_UNPRINTABLE, url):
        raise HealthError("the URL has a space or a control character")
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
        (parts.hostname or "").encode("idna")
    except ValueError as exc:
        raise HealthError("the URL has a malformed host or port") from exc
    if parts.scheme not in _PORTS:
        raise HealthError("the URL must begin with http://, https:// or tcp://")
    if not parts.hostname or not port:
        raise HealthError(f"the URL names no {'port' if parts.hostname else 'host'}")
    return parts, port


def _request_headers(parts: SplitResult, given: Mapping[str, Any]) -> tuple[dict[str, tuple[str, str]], tuple[str, ...]]:
    """Headers by lower-case name, the user's own winning over ours, and what in them is secret."""
    headers = {
        "user-agent": ("User-Agent", "turnout-health-poll"),
        "accept": ("Accept", "*/*"),
        "accept-encoding": ("Accept-Encoding", "identity"),
        "connection": ("Connection", "close"),
    }
    secrets: list[str] = []
    if parts.username is not None:
        password = unquote(parts.password or "")
        userinfo = f"{unquote(parts.username)}:{password}".encode()
        token = base64.b64encode(userinfo).decode()  # RFC 7617
        headers["authorization"] = ("Authorization", f"Basic {token}")
        secrets += [token, password, parts.password or ""]
    for name, value in given.items():
        text = str(value)
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", str(name)) or re.search(r"[\r\n\x00]", text):
            raise HealthError("a request header has a malformed name or a line break in its value")
        headers[str(name).lower()] = (str(name), text)
        secrets += [text, *text.split()]
    return headers, tuple({secret for secret in secrets if len(secret) >= _SHORTEST_SECRET})
