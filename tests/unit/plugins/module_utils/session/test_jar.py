"""Cookies as a browser at the public address keeps them."""

from __future__ import annotations

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.module_utils._session.jar import Jar


@pytest.mark.parametrize(
    ("host", "cookie", "path", "sent"),
    [
        ("127.0.0.1:8404", "session=a; HttpOnly", "/me", "session=a"),
        ("127.0.0.1:8404", "session=a; Secure; SameSite=Strict", "/me", "session=a"),
        ("localhost", "session=a; Path=/", "/me", "session=a"),
        ("[::1]:8404", "session=a; Path=/", "/me", "session=a"),
        ("shop.example.com", "session=a; Domain=shop.example.com; Path=/", "/me", "session=a"),
        ("shop.example.com:8443", "session=a; Domain=.example.com; Path=/", "/me", "session=a"),
        ("shop.example.com", "__Host-session=a; Secure; Path=/", "/me", "__Host-session=a"),
        ("shop.example.com", "session=a; Path=/shop", "/me", None),
        ("shop.example.com", "session=a; Path=/shop", "/shop/me", "session=a"),
        ("shop.example.com", 'session="a b"; Path=/', "/me", 'session="a b"'),
        ("shop.example.com", "session=a; Path=/; Expires=Wed, 21 Oct 2099 07:28:00 GMT", "/me", "session=a"),
        ("shop.example.com", "session=a; Path=/; Max-Age=0", "/me", None),
    ],
)
def test_what_is_sent_back(host, cookie, path, sent):
    jar = Jar(host)
    assert jar.take("/login", [cookie]) == []
    assert jar.header(path) == sent


@pytest.mark.parametrize("host", ["127.0.0.1:8404", "shop.example.org", "example.com.evil.org"])
def test_a_cookie_for_another_host_is_refused_and_named(host):
    jar = Jar(host)
    assert jar.take("/login", ["session=a; Domain=shop.example.com", "other=b"]) == ["session"]
    assert jar.header("/") == "other=b"


def test_cookies_are_replaced_and_ended():
    jar = Jar("shop.example.com")
    jar.take("/login", ["session=a; Path=/", "lang=en; Path=/"])
    jar.take("/me", ["session=b; Path=/"])
    assert jar.content() == {"session": "b", "lang": "en"}
    jar.take("/logout", ["session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"])
    assert jar.content() == {"lang": "en"}


def test_cookies_are_given():
    jar = Jar("shop.example.com")
    jar.put("session=a.b=c; lang=en")
    assert jar.content() == {"session": "a.b=c", "lang": "en"}
    assert jar.header("/deep/page")


@pytest.mark.parametrize("given", ["", " ; ", "session", "=a", "session=a\r\nX-Evil: 1", "session=a b"])
def test_what_is_no_cookie_is_refused_and_not_repeated(given):
    with pytest.raises(BadInput) as error:
        Jar("shop.example.com").put(given)
    assert "a b" not in str(error.value)
