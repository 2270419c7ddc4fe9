from __future__ import annotations

import json
import re

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput, StorageError
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe import access_log
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.access_log import (
    FORMATS,
    Choice,
    Seen,
    expression,
    looks_secret,
    tail,
    top,
)
from hypothesis import given
from hypothesis import strategies as st

COMBINED = '10.0.0.1 - - [23/Nov/2026:15:00:00 +0000] "{} {} HTTP/1.1" {} 123 "-" "{}"'
HAPROXY = (
    "Nov 23 15:00:00 lb1 haproxy[14389]: 10.0.1.2:33317 [23/Nov/2026:15:00:00.655] shop shop_blue/web1 "
    '10/0/30/69/109 {} 2750 - - ---- 1/1/1/1/0 0/0 {{1wt.eu|"GET /no HTTP/1.1" 200 }} "{} {} HTTP/1.1"'
)
OK = Choice("combined", range(200, 400))


def combined(path: str, method: str = "GET", status: int = 200, agent: str = "Mozilla/5.0") -> str:
    return COMBINED.format(method, path, status, agent)


@pytest.mark.parametrize(
    ("form", "line", "seen"),
    [
        ("combined", combined("/a?b=c"), Seen("GET", "/a?b=c", 200)),
        ("common", '::1 - bob [23/Nov/2026:15:00:00 +0000] "POST /x HTTP/2.0" 302 -', Seen("POST", "/x", 302)),
        ("common", '::1 - - [x] "-" 400 0', None),
        ("combined", r'::1 - - [x] "\x16\x03\x01" 400 0 "-" "-"', None),
        ("haproxy", HAPROXY.format(200, "GET", "/a?b=c"), Seen("GET", "/a?b=c", 200)),
        ("haproxy", HAPROXY.format(-1, "GET", "/a"), None),
        ("haproxy", 'x shop shop_blue/<NOSRV> -1/-1/-1/-1/0 400 0 - - PR-- 1/1/0/0/0 0/0 "<BADREQ>"', None),
        ("json", '{"method": "GET", "uri": "/a", "status": 200}', Seen("GET", "/a", 200)),
        ("json", '{"request_method": "GET", "request_uri": "/a?x=1", "uri": "/a", "status": "200"}', Seen("GET", "/a?x=1", 200)),
        ("json", '{"request": "GET /a HTTP/1.1", "status_code": 404}', Seen("GET", "/a", 404)),
        ("json", '{"request": "-", "status": 400}', None),
        ("json", '{"method": "GET", "uri": "/a"}', None),
        ("json", '["GET", "/a", 200]', None),
        ("json", "GET /a 200", None),
    ],
)
def test_a_line_of_each_format(form, line, seen):
    assert FORMATS[form](line) == seen


@given(st.sampled_from(sorted(FORMATS)), st.one_of(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists)))
def test_no_line_breaks_it(form, line):
    FORMATS[form](line if isinstance(line, str) else json.dumps(line))


def test_the_most_frequent_come_first_and_only_what_is_safe_to_repeat():
    lines = [combined("/b")] * 3 + [combined("/c")] * 5 + [combined("/a")] * 3
    lines += [combined("/post", "POST"), combined("/gone", status=404), combined("/down", status=503), "not a line"]
    lines += [combined("http://proxy/x"), combined("/own", agent="turnout-warm-up"), combined("/" + "x" * 3000)]
    lines += [combined("/reset?token=abc"), combined("/reset?token=abc")]
    found = top(lines, OK)
    assert found.paths == ("/c", "/a", "/b")
    assert (found.lines, found.taken, found.secrets, found.unknown) == (len(lines), 11, 2, 1)
    assert top(lines, Choice("combined", range(200, 400), top=2)).paths == ("/c", "/a")


def test_include_and_exclude():
    lines = [combined(path) for path in ("/shop/a", "/shop/logout", "/static/x")]
    choice = Choice("combined", range(200, 400), re.compile("^/shop/"), re.compile("logout"))
    assert top(lines, choice).paths == ("/shop/a",)


def test_many_different_paths_do_not_fill_the_memory_and_the_frequent_ones_stay(monkeypatch):
    monkeypatch.setattr(access_log, "_KEPT", 100)
    lines = [combined(path) for number in range(1000) for path in (f"/once/{number}", "/often")]
    found = top(lines, Choice("combined", range(200, 400), top=5000))
    assert found.paths[0] == "/often"
    assert len(found.paths) <= 100
    assert found.taken == 2000


@pytest.mark.parametrize(
    "target",
    [
        "/a?token=1",
        "/a?x=1&access_token=1",
        "/a?apiKey=1",
        "/a?api-key=",
        "/a?PASSWORD=x",
        "/a?sessionid=x",
        "/a;jsessionid=1F",
        "/a?b=c;sid=1",
        "/a?X-Amz-Signature=00",
        "/a?AWSAccessKeyId=x",
        "/a?%74oken=x",
        "/a?sig=x",
        "/a?auth=x",
        "/a?code=x",
        "/a?next=/&q=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
        "/a?id=0123456789abcdef0123456789abcdef",
    ],
)
def test_what_looks_like_a_secret(target):
    assert looks_secret(target)


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/a?",
        "/a?page=2",
        "/a?monkey=1",
        "/a?author=x",
        "/a?zip_code=1",
        "/a?design=x",
        "/a?q=words+and+more+words+and+more+words",
    ],
)
def test_what_does_not(target):
    assert not looks_secret(target)


@given(st.text(max_size=60))
def test_any_target_may_be_asked_about(target):
    looks_secret(target)


@given(st.lists(st.text("abc", max_size=9), max_size=20), st.integers(1, 200))
def test_the_tail_is_whole_lines_within_the_bound(tmp_path_factory, lines, bound):
    path = tmp_path_factory.mktemp("log") / "access.log"
    text = "".join(f"{line}\n" for line in lines)
    path.write_text(text)
    found = list(tail(str(path), bound))
    assert found == [f"{line}\n" for line in lines][len(lines) - len(found) :]
    size = sum(map(len, found))
    assert size <= bound
    dropped = lines[: len(lines) - len(found)]
    assert not dropped or size + len(dropped[-1]) + 1 > bound


def test_a_line_without_end_and_an_endless_one_are_left_out(tmp_path):
    path = tmp_path / "access.log"
    path.write_bytes(b"one\n" + b"x" * 200_000 + b"\ntwo\nhalf")
    assert list(tail(str(path), 1 << 20)) == ["one\n", "two\n"]


def test_a_log_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"nowhere\.log can not be read: No such file"):
        list(tail(str(tmp_path / "nowhere.log"), 10))


def test_an_expression_that_is_none_is_named():
    assert expression("x", None) is None
    with pytest.raises(BadInput, match=r"access_log\.include '\('"):
        expression("access_log.include", "(")
