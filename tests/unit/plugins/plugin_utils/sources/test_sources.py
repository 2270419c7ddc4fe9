# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of sources, and what they read from a real endpoint or a real command."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.definition import parse
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.registry import KEYS, SOURCES, make
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.source import Surroundings, fill

AROUND = Surroundings(service="shop", clock=lambda: 7.0)


def source(**keys: Any):
    (gate,) = parse([{"name": "g", "max": 1, **keys}], KEYS)
    return make(gate, AROUND)


def read(**keys: Any):
    return source(**keys).read(("green", "blue"))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Answers with what the query string asks for; ``/secret`` wants user and password."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            status, body = int(asked.get("status", 200)), asked.get("body")
            if url.path == "/secret" and self.headers["Authorization"] != "Basic YWxpY2U6cXVpZXQ=":
                status = 401
            if url.path == "/slow":
                time.sleep(float(asked["seconds"]))
            if body is None:
                body = json.dumps({"path": url.path, **asked, "header": self.headers["X-Asked"]})
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_words: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_only_the_colour_is_filled_in():
    assert fill("{{colour}} {{ colour }} {{ other }} {colour} {{ colour | upper }}", "green") == (
        "green green {{ other }} {colour} {{ colour | upper }}"
    )


def test_json_of_each_colour(server):
    readings = read(source="json", url=f"{server}/{{{{ colour }}}}?n=3", query="n")
    assert {colour: (reading.value, reading.samples, reading.at) for colour, reading in readings.items()} == {
        "green": (3.0, 1, 7.0),
        "blue": (3.0, 1, 7.0),
    }
    paths = source(source="json", url=f"{server}/x?green=4&blue=5", query="{{ colour }}", samples_query="blue")
    assert [(r.value, r.samples) for r in paths.read(("green", "blue")).values()] == [(4.0, 5), (5.0, 5)]


def test_headers_and_password_are_sent_and_never_told(server):
    keys = {"source": "json", "url": f"{server}/secret?n=1", "query": "n", "username": "alice"}
    assert read(**keys, password="quiet")["green"].value == 1.0
    refused = read(**keys, password="loud")["green"]
    assert "401" in refused.why
    assert "loud" not in refused.why
    assert read(source="json", url=f"{server}/?n=1", query="header", headers={"X-Asked": "5"})["green"].value == 5.0


@pytest.mark.parametrize(
    ("path", "query", "why"),
    [
        ("/?status=500&body={}", "n", "answers 500"),
        ("/?body=nonsense", "n", "no JSON"),
        ("/?n=many", "n", "'many' is no number"),
        ("/?x=1", "n", "nothing is no number"),
        ("/slow?seconds=3", "n", "timed out"),
    ],
)
def test_what_is_no_number_is_no_data_and_says_why(server, path, query, why):
    reading = read(source="json", url=server + path, query=query, timeout=0.3)["green"]
    assert reading.value is None
    assert why in reading.why
    assert "?" not in reading.why, "a query string may hold a secret"


def test_nobody_listens():
    assert "refused" in read(source="json", url="http://127.0.0.1:1/", query="n")["green"].why


def test_a_command_gets_the_colour_and_prints_a_number():
    script = "import os; print('note'); print(len(os.environ['BLUEGREEN_COLOUR'] + os.environ['BLUEGREEN_SERVICE']))"
    readings = read(source="command", argv=[sys.executable, "-c", script])
    assert {colour: reading.value for colour, reading in readings.items()} == {"green": 9.0, "blue": 8.0}
    script = "import json; print(json.dumps({'p95': {'{{ colour }}': 0.5}, 'n': 80}))"
    reading = read(source="command", argv=[sys.executable, "-c", script], query="p95.{{ colour }}", samples_query="n")["green"]
    assert (reading.value, reading.samples) == (0.5, 80)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("raise SystemExit('no database')", "ends with 1: no database"),
        ("pass", "nothing is no number"),
        ("import time; time.sleep(60)", "longer than 0.5 s"),
    ],
)
def test_a_command_that_fails_is_no_data(script, why):
    began = time.monotonic()
    assert why in read(source="command", argv=[sys.executable, "-c", script], timeout=0.5)["green"].why
    assert time.monotonic() - began < 30
    assert "/nowhere" in read(source="command", argv=["/nowhere/there"])["green"].why


def test_a_command_under_way_is_ended_when_its_source_is_closed(tmp_path):
    begun = tmp_path / "begun"
    script = f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(60)"
    made = source(source="command", argv=[sys.executable, "-c", script], timeout=50)
    seen: list[dict[str, Any]] = []
    reader = threading.Thread(target=lambda: seen.append(made.read(("green", "blue"))), daemon=True)
    reader.start()
    deadline = time.monotonic() + 30
    while not begun.exists():
        assert time.monotonic() < deadline
        reader.join(0.05)
    made.close()
    reader.join(20)
    assert seen, "the command goes on"
    assert [seen[0][colour].why for colour in ("green", "blue")] == [
        f"{sys.executable} ends with -9: it says nothing",
        "the bake is over",
    ]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"source": "json", "query": "n"}, "url is missing"),
        ({"source": "json", "url": "http://x", "query": "a["}, "no JMESPath"),
        ({"source": "json", "url": 3, "query": "n"}, "url is 3, expected str"),
        ({"source": "command", "argv": "date"}, "argv is 'date', expected list"),
        ({"source": "command", "argv": ["x"], "samples_query": "n"}, "samples_query needs query"),
        ({"source": "command", "argv": ["x"], "timeout": 0}, "timeout is 0"),
        ({"source": "command", "argv": ["x"], "timeout": True}, "timeout is True"),
        ({"source": "router", "metric": "beauty"}, "metric is 'beauty', expected one of error_percent"),
        ({"source": "prometheus", "url": "http://x", "query": "up", "range": 86400, "step": 1}, "11,000"),
        ({"source": "probe", "url": "http://x", "rate": 10_000}, "rate"),
    ],
)
def test_an_option_that_can_not_be_meant_is_refused(keys, words):
    with pytest.raises(BadInput) as caught:
        source(**keys)
    assert words in str(caught.value)


def test_no_source_takes_a_key_that_belongs_to_all_gates():
    (gate,) = parse([{"name": "g", "source": "health", "max": 1}], KEYS)
    assert set(vars(gate.policy)).isdisjoint(key for keys in KEYS.values() for key in keys)
    assert set(KEYS) == set(SOURCES)
