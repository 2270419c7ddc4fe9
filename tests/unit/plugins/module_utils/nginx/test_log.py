# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the log of a service from where the last look ended, whatever becomes of the file meanwhile."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput, NotConfigured
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx import log
from ansible_collections.turnout.bluegreen.plugins.module_utils._statistics import percentile
from hypothesis import given
from hypothesis import strategies as st


def line(colour="green", status=200, seconds=0.01):
    return json.dumps({"colour": colour, "status": status, "request_time": seconds}) + "\n"


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "shop.log"
    file.write_text(line() * 3)
    return file


def append(path, text):
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def counts(statistics):
    return {colour: (count.requests, count.errors) for colour, count in statistics.answered.items()}


def test_the_first_look_begins_to_count(path):
    first = log.since(str(path), "")
    assert counts(first) == {"blue": (0, 0), "green": (0, 0)}
    append(path, line("blue", 502) + line("blue", 404) + line(seconds=0.2) + line(status=499))
    second = log.since(str(path), first.cursor)
    assert counts(second) == {"blue": (2, 1), "green": (2, 0)}
    assert 200 <= (percentile(second.answered["green"].latencies or {}, 95) or 0) <= 220
    assert counts(log.since(str(path), second.cursor)) == {"blue": (0, 0), "green": (0, 0)}
    assert second.doubts == ()


def test_a_line_that_is_not_finished_is_read_later(path):
    first = log.since(str(path), "")
    append(path, line()[:20])
    second = log.since(str(path), first.cursor)
    assert counts(second)["green"] == (0, 0)
    append(path, line()[20:])
    assert counts(log.since(str(path), second.cursor))["green"] == (1, 0)


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_lines_of_others_are_left_out(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("log") / "shop.log"
    path.write_bytes(b"")
    first = log.since(str(path), "")
    path.write_bytes(
        line().encode() + b"\n".join([*lines, b"[1]", b'{"colour":"","status":200,"request_time":1}', b""]) + line().encode()
    )
    assert counts(log.since(str(path), first.cursor))["green"] == (2, 0)


def test_a_rotated_file_is_read_to_its_end(path):
    first = log.since(str(path), "")
    append(path, line(status=500))
    os.rename(path, f"{path}.1")
    path.write_text(line() * 2)
    second = log.since(str(path), first.cursor)
    assert counts(second)["green"] == (3, 1)
    assert second.doubts == ()
    append(path, line())
    assert counts(log.since(str(path), second.cursor))["green"] == (1, 0)


def test_a_former_file_that_is_gone_is_told(path):
    first = log.since(str(path), "")
    os.rename(path, f"{path}.elsewhere")
    path.write_text(line())
    second = log.since(str(path), first.cursor)
    assert counts(second)["green"] == (1, 0)
    assert len(second.doubts) == 1


def test_a_file_that_was_cut_is_read_from_its_beginning(path):
    first = log.since(str(path), "")
    path.write_text(line())
    second = log.since(str(path), first.cursor)
    assert counts(second)["green"] == (1, 0)
    assert "was cut" in second.doubts[0]


def test_too_much_is_left_out_and_told(path):
    first = log.since(str(path), "")
    append(path, line() * 100)
    second = log.since(str(path), first.cursor, limit=len(line()) * 10 + 5)
    assert counts(second)["green"] == (10, 0)
    assert "left out" in second.doubts[0]
    assert counts(log.since(str(path), second.cursor))["green"] == (0, 0)


def test_no_log_says_what_to_do(tmp_path):
    with pytest.raises(NotConfigured, match="no log"):
        log.since("", "")
    with pytest.raises(NotConfigured, match="does not exist"):
        log.since(str(tmp_path / "none.log"), "")


@pytest.mark.parametrize("cursor", ["x", "1", "1:2:3", '{"a": 1}'])
def test_a_cursor_of_another_kind_is_refused(path, cursor):
    with pytest.raises(BadInput, match="cursor"):
        log.since(str(path), cursor)
