"""Requests of a login: values carried on, expectations, secrets."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.expectations import Response
from ansible_collections.turnout.bluegreen.plugins.module_utils._session.script import (
    Way,
    fill,
    long_enough,
    parse_check,
    parse_login,
)
from hypothesis import given
from hypothesis import strategies as st

WAY = Way("http://127.0.0.1:8404", {"x-bluegreen-preview": "green"}, "shop.example.com", 5.0, True, None)
CSRF = {"path": "/login", "store": {"csrf": 'name="csrf" value="([^"]+)"'}}


def sent(entry, values=None, cookie=None):
    """Request line, headers by name, and body."""
    target, body = parse_login([{**CSRF}, entry])[1].request(WAY, values or {}, cookie)
    line, *headers = target.request.decode().rstrip("\r\n").split("\r\n")
    return line, {name.lower(): value for name, _colon, value in (header.partition(": ") for header in headers)}, body


def test_a_form_carries_what_was_stored():
    form = {"user": "ann", "csrf": "${csrf}", "remember": True, "empty": None, "plain": "$${csrf}"}
    line, headers, body = sent({"path": "/login?to=${csrf}", "form": form}, {"csrf": "a/b&c"})
    assert line == "POST /login?to=a%2Fb%26c HTTP/1.1"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert (headers["host"], headers["x-bluegreen-preview"]) == ("shop.example.com", "green")
    assert int(headers["content-length"]) == len(body)
    assert parse_qs(body.decode(), keep_blank_values=True) == {
        "user": ["ann"],
        "csrf": ["a/b&c"],
        "remember": ["true"],
        "empty": [""],
        "plain": ["${csrf}"],
    }


def test_json_headers_body_and_cookie():
    line, headers, body = sent(
        {"path": "/in", "method": "PUT", "json": {"a": ["${csrf}", 1]}, "headers": {"X-CSRF": "${csrf}"}},
        {"csrf": "t"},
        "session=a",
    )
    assert (line, body) == ("PUT /in HTTP/1.1", b'{"a": ["t", 1]}')
    assert (headers["x-csrf"], headers["cookie"], headers["content-type"]) == ("t", "session=a", "application/json")
    line, headers, body = sent({"path": "/in", "body": "<x>${csrf}</x>", "headers": {"Content-Type": "text/xml"}}, {"csrf": "t"})
    assert (line, headers["content-type"], body) == ("POST /in HTTP/1.1", "text/xml", b"<x>t</x>")
    line, headers, _body = sent({"path": "/in"})
    assert line == "GET /in HTTP/1.1"
    assert "content-length" not in headers


def test_a_value_with_a_line_break_does_not_become_a_header():
    with pytest.raises(BadInput, match="line break"):
        sent({"path": "/in", "headers": {"X-CSRF": "${csrf}"}}, {"csrf": "t\r\nX-Evil: 1"})


@given(st.text())
def test_text_without_places_is_left_alone(text):
    assert fill(text.replace("${", "{"), {}) == text.replace("${", "{")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"path": "me"}, "slash"),
        ({"path": "/me", "form": {"a": "1"}, "json": {"b": 1}}, "form and json are given"),
        ({"path": "/me", "form": {"password": "x${secret}"}}, "stands for nothing"),
        ({"path": "/me", "json": {"deep": [{"er": "${secret}"}]}}, "stands for nothing"),
        ({"path": "/${secret}"}, "stands for nothing"),
        ({"path": "/me", "headers": {"Cookie": "session=secret"}}, "header Cookie"),
        ({"path": "/me", "headers": {"Content-Length": "1"}}, "header Content-Length"),
        ({"path": "/me", "store": {"a": "("}}, "no regular expression"),
        ({"path": "/me", "store": {"a-b": "x"}}, "letters, digits"),
    ],
)
def test_a_request_that_can_not_be_meant(entry, told):
    with pytest.raises(BadInput, match=told) as error:
        parse_login([entry])
    assert str(error.value).startswith("login[0]: ")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"path": "/me", "status": ["ok"]}, "neither a status"),
        ({"path": "/me", "body_regex": "("}, "no regular expression"),
        ({"path": "/me", "json_value": 1}, "needs json_query"),
        ({"path": "/a b"}, "space"),
    ],
)
def test_an_expectation_that_can_not_be_meant(entry, told):
    with pytest.raises(BadInput, match=told):
        parse_check(entry, []).request(WAY, {}, None)


@pytest.mark.parametrize(
    ("kind", "body", "lines", "value"),
    [
        ("text/html; charset=utf-8", b'<input name="csrf" value="a&#x2B;b&amp;c">', [], "a+b&c"),
        ("text/plain", b'name="csrf" value="a&amp;b"', [], "a&amp;b"),
        ("text/html", b"nothing", ["X-A: 1", 'X-B: name="csrf" value="h&amp;"'], "h&amp;"),
    ],
)
def test_values_are_kept_of_body_or_headers(kind, body, lines, value):
    step = parse_login([CSRF])[0]
    assert step.stored(Response(200, {"content-type": kind}, body), lines) == {"csrf": value}


def test_the_whole_match_is_kept_where_there_is_no_group():
    step = parse_login([{"path": "/", "store": {"token": r"tok-\d+"}}])[0]
    assert step.stored(Response(200, {}, b"x tok-17 y"), []) == {"token": "tok-17"}
    with pytest.raises(LookupError, match="token"):
        step.stored(Response(200, {}, b"x"), [])


def test_what_the_server_sent_is_in_no_reason():
    step = parse_check({"path": "/me", "json_query": "user", "json_value": "ann"}, [])
    target, _body = step.request(WAY, {}, None)
    reason = step.failure(target, Response(200, {}, b'{"user": "secret-of-the-server"}'), [])
    assert reason == "JSON query 'user' gave something else"
    assert step.failure(target, Response(200, {}, b'{"user": "ann"}'), []) == ""


@pytest.mark.parametrize("secret", ["hunter22", 'quo"ted', "quo'ted", "br\neak", "späße"])
def test_secrets_are_taken_out_of_expectations(secret):
    step = parse_login([{"path": "/login", "form": {"password": secret}, "body_contains": f"hello {secret}"}])[0]
    target, _body = step.request(WAY, {}, None)
    reason = step.failure(target, Response(200, {}, b"no"), step.secrets())
    assert reason == "body does not contain 'hello ********'".replace("'", reason[-1])


def test_short_values_do_not_take_messages_apart():
    assert long_enough(["1", "on", "abc", "abcd"]) == ("abcd",)


def test_a_request_is_called_without_its_query():
    assert parse_login([{"path": "/login?token=secret", "form": {}}])[0].label == "login[0] POST /login"
