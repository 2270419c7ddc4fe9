from __future__ import annotations

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.client import Outcome
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.preview import stray
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.tally import Tally
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.wire import Answer


def outcome(status: int = 0, colour: str | None = None, seconds: float = 0.1, **more) -> Outcome:
    if not status:
        return Outcome(seconds, failure="connection refused", **more)
    answer = Answer()
    header = "" if colour is None else f"X-Bluegreen-Colour: {colour}\r\n"
    answer.feed(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n{header}\r\n".encode())
    return Outcome(seconds, answer, **more)


def tally() -> Tally:
    return Tally(range(200, 400), "X-Bluegreen-Colour", 10.0)


def test_what_is_counted():
    counted = tally()
    counted.add(outcome(200, "green", 0.1), 11.0)
    counted.add(outcome(503, "green", 0.001), 12.0)
    counted.add(outcome(302, "blue", 0.3), 13.0)
    counted.add(outcome(200), 14.0)
    counted.add(outcome(503), 15.0)
    counted.add(outcome(retried=True), 16.0)
    counted.skip()
    window = counted.window(20.0)
    assert (window.began, window.ended) == (10.0, 20.0)
    assert (window.requests, window.not_started, window.retried) == (6, 1, 1)
    assert window.lost == {"status 503": 2, "connection refused": 1}
    assert window.answers == {"blue": 1, "green": 2}
    assert window.unknown.answers == 2
    green = window.colours["green"]
    assert (green.refused, green.first_at, green.last_at) == (1, 11.0, 12.0)
    # A quick error must not make a colour look fast.
    assert list(green.latencies) == pytest.approx([0.1])


def test_what_a_server_writes_does_not_fill_the_memory():
    counted = tally()
    for number in range(1000):
        counted.add(outcome(200, f"colour-{number}"), 11.0)
        counted.add(outcome(200, "<b>" + "x" * number), 11.0)
        counted.add(Outcome(0.1, failure=f"reason {number}"), 11.0)
    window = counted.window(12.0)
    assert len(window.colours) == 8
    assert window.unknown.answers == 1992
    assert len(window.lost) == 51
    assert sum(window.lost.values()) == 1000


@pytest.mark.parametrize(
    ("status", "named", "expected"),
    [
        (200, "green", ""),
        (503, "green", ""),
        (503, None, ""),
        (0, None, ""),
        (200, "blue", "a request to green was answered by blue"),
        (503, "blue", "a request to green was answered by blue"),
        (200, None, "a request to green was answered by an unknown colour (status 200 without its header)"),
        (404, None, "a request to green was answered by an unknown colour (status 404 without its header)"),
    ],
)
def test_what_is_an_answer_of_another_colour(status, named, expected):
    found = outcome(status, named)
    assert stray(found, tally().colour_of(found), "green") == expected
