# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of a service: what the role writes, and what is made of it."""

from __future__ import annotations

import json

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import NotConfigured
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.ask import Address
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.facts import Health, Public, Server, load

FACTS = {
    "service": "shop",
    "digest": "abc",
    "sticky": "cookie",
    "servers": {
        "blue": [{"name": "app1", "address": "10.0.0.1:8080"}, {"name": "app2", "address": "[fd00::2]:8080"}],
        "green": [{"name": "app3", "address": "app3.example:81"}],
    },
    "health": {"path": "/health", "host": "shop.example", "status": []},
    "probe": {"url": "", "listen": ["80", "443 ssl http2"], "host": "shop.example"},
    "keepalive_timeout": "5s",
}


@pytest.fixture
def read(tmp_path):
    def write_and_read(**changed):
        (tmp_path / "shop.json").write_text(json.dumps({**FACTS, **changed}), encoding="utf-8")
        return load(str(tmp_path), "shop")

    return write_and_read


def test_the_facts_are_read(read):
    facts = read()
    assert (facts.digest, facts.sticky, facts.keepalive_timeout) == ("abc", "cookie", "5s")
    assert facts.servers["blue"] == (Server("app1", Address("10.0.0.1", 8080)), Server("app2", Address("fd00::2", 8080)))
    assert str(facts.servers["blue"][1]) == "app2 ([fd00::2]:8080)"
    assert facts.health == Health("/health", "shop.example", ())


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        (["80"], Public(Address("127.0.0.1", 80), "shop.example")),
        (["*:81 default_server"], Public(Address("127.0.0.1", 81), "shop.example")),
        (["0.0.0.0:80"], Public(Address("127.0.0.1", 80), "shop.example")),
        (["[::]:80 ipv6only=on"], Public(Address("::1", 80), "shop.example")),
        (["[::1]:80"], Public(Address("::1", 80), "shop.example")),
        (["10.0.0.5:80"], Public(Address("10.0.0.5", 80), "shop.example")),
        (["10.0.0.5"], Public(Address("10.0.0.5", 80), "shop.example")),
        (["localhost:8000"], Public(Address("localhost", 8000), "shop.example")),
        (["443 ssl http2"], Public(Address("127.0.0.1", 443), "shop.example", tls=True)),
        (["443 ssl", "80"], Public(Address("127.0.0.1", 80), "shop.example")),
        (["80 proxy_protocol"], Public(Address("127.0.0.1", 80), "shop.example", proxy_protocol=True)),
        (["8081 http2", "80"], Public(Address("127.0.0.1", 80), "shop.example")),
        (["8081 http2"], None),
        (["443 quic"], None),
        (["unix:/run/shop.sock"], None),
        ([], None),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, list) else "",
)
def test_the_public_side_is_found_in_the_listen_lines(read, listen, expected):
    assert read(probe={"url": "", "listen": listen, "host": "shop.example"}).public == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1/shop/", Public(Address("127.0.0.1", 80), "shop.example", "/shop/")),
        ("http://[::1]:81", Public(Address("::1", 81), "shop.example", "/")),
        ("https://10.0.0.5/a", Public(Address("10.0.0.5", 443), "shop.example", "/a", tls=True)),
    ],
)
def test_a_url_wins_over_the_listen_lines(read, url, expected):
    assert read(probe={"url": url, "listen": ["80"], "host": "shop.example"}).public == expected


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"servers": {"blue": []}}, "green"),
        ({"servers": {"blue": [{"name": "a", "address": "10.0.0.1"}], "green": []}}, "an address and a port"),
        ({"servers": {colour: [{"name": "a", "address": "10.0.0.1:1"}] for colour in ("blue", "green")}}, "share the address"),
        ({"sticky": "moon"}, "moon"),
        ({"health": {"path": "/", "host": "x", "status": ["many"]}}, "many"),
        ({"probe": {"url": "ftp://x/", "listen": [], "host": "x"}}, "ftp"),
        ({"probe": None}, "NoneType"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_damaged_facts_are_named(read, tmp_path, changed, told):
    with pytest.raises(NotConfigured, match=str(tmp_path / "shop.json")) as raised:
        read(**changed)
    assert told in raised.value.message
    assert "bootstrap.yml" in raised.value.remedy


@pytest.mark.parametrize("text", ["", "{", "[]", "\udcff"])
def test_facts_that_are_no_facts(tmp_path, text):
    (tmp_path / "shop.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(NotConfigured, match="is damaged"):
        load(str(tmp_path), "shop")


def test_no_facts(tmp_path):
    with pytest.raises(NotConfigured, match="not set up for shop"):
        load(str(tmp_path), "shop")


@pytest.mark.parametrize(
    ("status", "healthy", "sick"), [((), (200, 204, 302, 399), (199, 400, 404, 500)), ((200, 401), (200, 401), (204, 500))]
)
def test_what_a_healthy_server_answers(status, healthy, sick):
    health = Health("/health", "shop", status)
    assert [code for code in (*healthy, *sick) if health.expects(code)] == list(healthy)
