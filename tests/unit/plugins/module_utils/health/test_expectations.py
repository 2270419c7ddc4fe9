from __future__ import annotations

import builtins
import re
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.expectations import (
    BODY_LIMIT,
    Expectation,
    HealthError,
    MissingLibrary,
    Response,
    header_expectations,
    json_query,
    pattern,
    status_spans,
)
from hypothesis import given
from hypothesis import strategies as st


def failure(response: Response, latency: float = 0.0, **wanted: Any) -> str | None:
    return Expectation(**wanted).failure(response, latency)


@given(st.integers(100, 599), st.integers(100, 599), st.integers(100, 599))
def test_a_range_holds_both_its_ends(low, high, status):
    low, high = min(low, high), max(low, high)
    spans = status_spans([f"{low}-{high}"])
    assert (failure(Response(status), status=spans) is None) == (low <= status <= high)


def test_the_reason_names_every_status_asked_for():
    spans = status_spans(["200-204", " 301 "])
    assert failure(Response(301), status=spans) is None
    assert failure(Response(503), status=spans) == "status 503, expected 200-204, 301"


@pytest.mark.parametrize("wrong", [["2xx"], ["299-200"], ["99"], ["600"], [], ["200,201"]])
def test_a_status_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(HealthError, match="status"):
        status_spans(wrong)


@pytest.mark.parametrize(
    ("wanted", "found", "reason"),
    [
        ({"X-Colour": "green"}, {"x-colour": "green"}, None),
        ({"X-Colour": "green"}, {"x-colour": "Green"}, "header x-colour is 'Green', expected 'green'"),
        ({"X-Colour": "green"}, {}, "header x-colour is missing"),
        ({"X-Release": "~ ^v2"}, {"x-release": "v2.1"}, None),
        ({"X-Release": "~^v2$"}, {"x-release": "v3"}, "header x-release is 'v3', expected to match '^v2$'"),
        ({"X-Count": 3}, {"x-count": "3"}, None),
    ],
)
def test_response_headers(wanted, found, reason):
    assert failure(Response(200, found), headers=header_expectations(wanted)) == reason


@pytest.mark.parametrize(
    ("wanted", "body", "reason"),
    [
        ({"body_contains": "grün"}, "alles grün".encode(), None),
        ({"body_contains": "ok"}, b"\xffno", "body does not contain 'ok'"),
        ({"body_regex": re.compile(r"v\d")}, b"release v2", None),
        ({"body_regex": re.compile(r"v\d")}, b"release x", r"body does not match 'v\\d'"),
        ({}, b"\xff\xfe", None),
    ],
)
def test_body(wanted, body, reason):
    assert failure(Response(200, {}, body), **wanted) == reason


@pytest.mark.parametrize(
    ("expression", "value", "body", "reason"),
    [
        ("status", "up", '{"status": "up"}', None),
        ("status", "up", '{"status": "down"}', "JSON query 'status' gave 'down', expected 'up'"),
        ("n", 3, '{"n": 3}', None),
        ("n", "3", '{"n": 3}', None),
        ("n", 3, '{"n": "3"}', "JSON query 'n' gave '3', expected '3'"),
        ("up", "true", '{"up": true}', None),
        ("checks[?!ok].name | length(@) == `0`", None, '{"checks": [{"ok": true, "name": "db"}]}', None),
        ("checks", None, '{"checks": []}', "JSON query 'checks' gave '[]'"),
        ("absent", None, "{}", "JSON query 'absent' gave 'null'"),
        ("lag", None, '{"lag": 0}', None),
        ("flag", None, '{"flag": false}', "JSON query 'flag' gave 'false'"),
        ("length(n)", None, '{"n": 3}', "JSON query 'length(n)' cannot be answered from this body"),
        ("status", "up", "<html>", "body is not JSON"),
        ("status", "up", "[" * 100_000, "body is not JSON"),
        ("status", "up", '"' + "x" * BODY_LIMIT, "body is longer than 256 KiB"),
        ("list", [1, 2], '{"list": [1, 2]}', None),
    ],
)
def test_json(expression, value, body, reason):
    wanted = Expectation(json_query=json_query(expression), json_value=value)
    assert wanted.failure(Response(200, {}, body.encode()), 0) == reason


def test_a_query_that_does_not_parse_is_refused():
    with pytest.raises(HealthError, match="no JMESPath"):
        json_query("a[")


def test_the_library_is_missed_only_when_an_expression_is_asked_for(monkeypatch):
    real = builtins.__import__

    def without_jmespath(name, *rest, **more):
        if name.startswith("jmespath"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_jmespath)
    assert failure(Response(200, {}, b"{}"), body_contains="{") is None
    with pytest.raises(MissingLibrary):
        json_query("a")


def test_a_pattern_that_does_not_compile_names_its_option():
    with pytest.raises(HealthError, match="body_regex"):
        pattern("body_regex", "(")


def test_latency_is_limited_for_answers_and_for_bare_connections():
    wanted = Expectation(max_latency=0.1)
    assert wanted.failure(None, 0.1) is None
    assert wanted.failure(None, 0.11) == "slower than 100 ms"
    assert wanted.failure(Response(200), 0.11) == "slower than 100 ms"
    assert wanted.failure(Response(500), 0.11) == "status 500, expected 200-299"


def test_what_is_shown_of_an_answer_is_short():
    reason = failure(Response(200, {"x": "y" * 5000}), headers={"x": "z"})
    assert reason is not None
    assert len(reason) < 150
