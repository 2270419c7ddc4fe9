from __future__ import annotations

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.requests import accepted, build, without_user


def lines(request: bytes) -> list[str]:
    return request.decode().split("\r\n")


def test_a_request_in_both_forms():
    asked = build("http://user:pa55word@router:8080", ["/ä", "/c?d=e"], "turnout-probe", {"headers": {"X-A": 1}})
    assert asked.url == "http://router:8080"
    assert (asked.origin.host, asked.origin.port, asked.origin.tls) == ("router", 8080, None)
    first, second = asked.requests
    assert (first.path, second.path) == ("/%C3%A4", "/c?d=e")
    assert lines(second.kept)[0] == "GET /c?d=e HTTP/1.1"
    assert {"Host: router:8080", "X-A: 1", "User-Agent: turnout-probe", "Connection: keep-alive"} < set(lines(second.kept))
    assert any(line.startswith("Authorization: Basic ") for line in lines(second.kept))
    assert second.kept.replace(b"keep-alive", b"close") == second.closing


def test_the_url_itself():
    asked = build("https://shop.example.com/x?y=z", [], "a", {"host_header": "other.example.com", "validate_certs": False})
    assert [request.path for request in asked.requests] == ["/x?y=z"]
    assert asked.origin.server_name == "other.example.com"
    assert asked.origin.tls is not None
    assert "Host: other.example.com" in lines(asked.requests[0].kept)


def test_our_headers_win_over_the_users():
    given = {"x-bluegreen-preview": "blue", "user-agent": "mine"}
    asked = build("http://h", ["/"], "a", {"headers": given}, {"X-Bluegreen-Preview": "green"})
    sent = lines(asked.requests[0].kept)
    assert "X-Bluegreen-Preview: green" in sent
    assert "user-agent: mine" in sent
    assert "blue" not in asked.requests[0].kept.decode()


@pytest.mark.parametrize(
    ("url", "paths", "headers", "told"),
    [
        ("tcp://h:1", [], {}, "must begin with http"),
        ("http://", [], {}, "names no host"),
        ("http://h", ["a"], {}, "path 1 of 1"),
        ("http://h", ["/", "/a\nb"], {}, "path 2 of 2: the URL has a space or a control character"),
        ("http://h", [], {"connection": "close"}, "header connection"),
        ("http://h", [], {"Content-Length": 3}, "header Content-Length"),
        ("http://h", [], {"X": "a\r\nY: b"}, "line break"),
    ],
)
def test_what_can_not_be_sent_is_refused(url, paths, headers, told):
    with pytest.raises(BadInput, match=told):
        build(url, paths, "a", {"headers": headers})


def test_statuses():
    assert accepted(["200-201", 404]) == {200, 201, 404}
    with pytest.raises(BadInput, match="'teapot'"):
        accepted(["teapot"])


def test_a_password_with_a_slash_is_not_shown():
    assert without_user("http://u:a/b@h/x") == "http://h/x"
