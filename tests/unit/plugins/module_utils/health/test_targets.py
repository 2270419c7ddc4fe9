from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.expectations import HealthError
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.targets import (
    TARGET_OPTIONS,
    Target,
    Tls,
    parse_targets,
    redacted,
)
from hypothesis import given
from hypothesis import strategies as st

COMMON = {name: spec.get("default") for name, spec in TARGET_OPTIONS.items()}


def parse(entry: Any, **common: Any) -> Target:
    return parse_targets([entry], {**COMMON, **common})[0]


def lines(target: Target) -> list[str]:
    return target.request.decode().split("\r\n")


@pytest.mark.parametrize(
    ("url", "host", "port", "authority"),
    [
        ("http://web1/healthz", "web1", 80, "web1"),
        ("http://web1:80/", "web1", 80, "web1"),
        ("http://web1:8080", "web1", 8080, "web1:8080"),
        ("https://Web1", "web1", 443, "web1"),
        ("http://[::1]:8080/", "::1", 8080, "[::1]:8080"),
    ],
)
def test_where_a_url_leads(url, host, port, authority):
    target = parse(url)
    assert (target.name, target.url, target.host, target.port) == (url, url, host, port)
    assert f"Host: {authority}" in lines(target)


def test_a_request_asks_for_path_and_query_and_closes():
    first, *rest = lines(parse("http://web1/a b?x=ü".replace(" ", "%20")))
    assert first == "GET /a%20b?x=%C3%BC HTTP/1.1"
    assert "Connection: close" in rest
    assert rest[-2:] == ["", ""]


def test_tcp_sends_nothing():
    target = parse("tcp://db:5432")
    assert (target.host, target.port, target.request, target.tls) == ("db", 5432, b"", None)


def test_a_mapping_overrides_what_is_common():
    target = parse(
        {"url": "https://10.0.0.1/", "name": "green-1", "successes": "2", "status": [204], "ca_path": "/ca"},
        successes=5,
        timeout=2.5,
        method="HEAD",
    )
    assert (target.name, target.policy.successes, target.policy.timeout) == ("green-1", 2, 2.5)
    assert target.method == "HEAD"
    assert lines(target)[0].startswith("HEAD / ")
    assert list(target.expectation.status) == [range(204, 205)]
    assert target.tls == Tls(ca_path="/ca")


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({}, "10.0.0.1"),
        ({"host_header": "shop.example.com:8443"}, "shop.example.com"),
        ({"host_header": "shop.example.com", "server_name": "edge.example.com"}, "edge.example.com"),
    ],
)
def test_the_name_asked_for_in_the_handshake(options, asked):
    target = parse("https://10.0.0.1/", **options)
    assert target.server_name == asked
    assert f"Host: {options.get('host_header', '10.0.0.1')}" in lines(target)


def test_user_and_password_are_sent_and_not_shown():
    target = parse("http://me:p%40ssword@web1/x")
    token = base64.b64encode(b"me:p@ssword").decode()
    assert f"Authorization: Basic {token}" in lines(target)
    assert target.name == target.url == "http://web1/x"
    assert {token, "p@ssword", "p%40ssword"} <= set(target.secrets)


def test_a_header_of_the_user_replaces_ours_and_is_secret():
    target = parse("http://web1/", headers={"user-agent": "me", "Authorization": "Bearer abcdef"})
    assert [line for line in lines(target) if line.lower().startswith("user-agent")] == ["user-agent: me"]
    assert {"Bearer abcdef", "abcdef"} <= set(target.secrets)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("ftp://web1/", "must begin with"),
        ("web1:8080", "must begin with"),
        ("tcp://web1", "no port"),
        ("http:///x", "no host"),
        ("http://web1:99999/", "malformed"),
        ("http://web1/a b", "space"),
        ("http://web1/\r\nX: y", "control"),
        ("http://" + "a" * 64 + "/", "malformed"),
        (7, "neither a URL"),
        ({"name": "x"}, "url"),
        ({"url": "http://web1", "colour": "green"}, "colour"),
        ({"url": "http://web1", "timeout": "soon"}, "timeout"),
        ({"url": "http://web1", "timeout": 0}, "timeout"),
        ({"url": "http://web1", "method": "POST"}, "method"),
        ({"url": "http://web1", "successes": 0}, "successes"),
        ({"url": "http://web1", "max_failures": -1}, "max_failures"),
        ({"url": "http://web1", "interval": -1}, "interval"),
        ({"url": "http://web1", "json_value": 1}, "json_query"),
        ({"url": "http://web1", "headers": {"X": "a\r\nY: b"}}, "header"),
        ({"url": "http://web1", "headers": {"X Y": "a"}}, "header"),
        ({"url": "http://web1", "host_header": "a\r\nb"}, "host_header"),
    ],
)
def test_what_is_no_target_is_refused_with_its_position(entry, reason):
    with pytest.raises(HealthError, match=r"targets\[1\].*" + reason):
        parse_targets(["http://web1/", entry], COMMON)


@pytest.mark.parametrize(
    "entry",
    [
        "http://me:sec/ret@web1/",
        "ftp://me:secret@web1/",
        "tcp://me:secret@web1",
        {"url": "http://web1", "headers": {"A": "sec\nret"}},
        {"url": "http://me:secret@web1", "headers": {"A": "secret"}, "timeout": "secret"},
    ],
)
def test_a_refusal_does_not_repeat_a_secret(entry):
    with pytest.raises(HealthError) as caught:
        parse(entry)
    assert "sec" not in str(caught.value)


def test_nothing_to_ask_is_not_healthy():
    with pytest.raises(HealthError, match="empty"):
        parse_targets([], COMMON)


def test_what_is_common_is_worked_out_once():
    first, second = parse_targets(["http://a/", "http://b/"], COMMON)
    assert first.expectation is second.expectation
    assert first.policy is second.policy


@given(st.lists(st.text(min_size=4, max_size=12), min_size=1, max_size=4), st.text(max_size=10))
def test_no_secret_stays_in_a_text(secrets, between):
    shown = redacted(between.join(secrets), secrets)
    assert not any(secret in shown for secret in secrets if "*" not in secret)


def test_a_path_is_below_the_base_url():
    common = {**COMMON, "base_url": "http://127.0.0.1:8404/"}
    targets = parse_targets(["/health", {"url": "/login", "name": "login"}, "http://web1/"], common)
    assert [target.url for target in targets] == ["http://127.0.0.1:8404/health", "http://127.0.0.1:8404/login", "http://web1/"]
