# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replies of the runtime API: cut into what each command was answered with, or refused as not understood."""

from __future__ import annotations

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import (
    NotConfigured,
    PermissionTooLow,
    SocketError,
)
from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy import runtime
from ansible_collections.turnout.bluegreen.plugins.module_utils._haproxy.runtime import (
    Process,
    WorkerGone,
    split_replies,
    workers,
)
from hypothesis import given
from hypothesis import strategies as st

lines = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1)
replies = st.lists(lines, max_size=4).map("\n".join)


def joined(parts: list[str]) -> str:
    """As HAProxy does: every line ends with a newline, every reply with an empty line."""
    return "".join(f"{part}\n\n" if part else "\n" for part in parts)


@given(st.lists(replies, max_size=6))
def test_replies_round_trip(parts):
    assert split_replies(joined(parts), len(parts)) == parts


@given(st.lists(replies, max_size=6), st.integers(0, 8))
def test_another_number_of_replies_is_refused(parts, count):
    if count != len(parts):
        with pytest.raises(ValueError, match="replies"):
            split_replies(joined(parts), count)


@given(st.lists(replies, min_size=1, max_size=6), st.data())
def test_an_answer_that_was_cut_off_is_refused(parts, data):
    text = joined(parts)
    end = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(ValueError, match="replies"):
        split_replies(text[:end], len(parts))


@given(st.lists(replies, max_size=4), lines)
def test_what_follows_the_last_reply_is_not_ignored(parts, rest):
    with pytest.raises(ValueError, match="replies"):
        split_replies(joined(parts) + rest, len(parts))


class Exchange:
    """Stands in for the socket: what was sent, and what comes back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
        self.sent: list[str] = []
        self.answer = answer
        monkeypatch.setattr(runtime, "exchange", self)

    def __call__(self, path: str, text: str, timeout: float) -> str:
        self.sent.append(text)
        return self.answer


def test_all_commands_go_in_one_write(monkeypatch):
    exchange = Exchange(monkeypatch, "a\n\n\n")
    assert Process("/s").ask(["show a", "set b"]) == ["a", ""]
    assert exchange.sent == ["show a;set b\n"]


def test_a_worker_is_asked_through_its_master(monkeypatch):
    exchange = Exchange(monkeypatch, "a\n\n\n")
    assert Process("/m", worker=7).ask(["show a", "set b"]) == ["a", ""]
    assert exchange.sent == ["@!7 show a;@!7 set b;quit\n"]


def test_a_worker_that_has_ended_is_no_failure_of_the_socket(monkeypatch):
    Exchange(monkeypatch, "Can't find the target PID matching the prefix '@!7'\n\n")
    with pytest.raises(WorkerGone, match="worker 7"):
        Process("/m", worker=7).ask(["show info"])


def test_an_answer_that_is_not_understood_is_quoted(monkeypatch):
    Exchange(monkeypatch, "half")
    with pytest.raises(SocketError, match="'half', not understood"):
        Process("/s").ask(["show info"])


def test_the_first_command_that_says_something_has_failed(monkeypatch):
    Exchange(monkeypatch, "\nentry not found.\n\n")
    with pytest.raises(SocketError, match=r"'set b' was answered with 'entry not found\.'"):
        Process("/s").do(["set a", "set b"])


@given(st.text(st.characters(exclude_characters='"\n', exclude_categories=["Cs"])))
def test_a_value_of_a_map_is_what_stands_between_the_quotes(value):
    reply = f'type=str, case=sensitive, found=yes, idx=tree, key="shop", value="{value}", type="str"'
    assert Process("/s").map_value("/m", "shop", reply) == value


def test_a_value_that_reads_like_an_answer_is_a_value():
    reply = 'type=str, case=sensitive, found=yes, idx=tree, key="shop", value="found=no", type="str"'
    assert Process("/s").map_value("/m", "shop", reply) == "found=no"


def test_a_key_that_the_map_does_not_have_has_no_value():
    assert Process("/s").map_value("/m", "shop", "type=str, case=sensitive, found=no") is None


@pytest.mark.parametrize("reply", ["", "Permission denied", "type=str, case=sensitive, found=yes", "found=maybe"])
def test_a_reply_that_is_neither_yes_nor_no_is_an_error(reply):
    with pytest.raises(SocketError, match="not understood"):
        Process("/s").map_value("/m", "shop", reply)


def test_a_map_that_the_running_haproxy_does_not_use_is_a_matter_of_configuration():
    with pytest.raises(NotConfigured, match=r"/etc/split\.map") as caught:
        Process("/s").map_value("/etc/split.map", "shop", "Unknown map identifier. Please use #<id> or <file>.")
    assert "map_file" in caught.value.remedy


def test_values_come_in_the_order_of_the_keys(monkeypatch):
    Exchange(monkeypatch, 'found=yes, key="a", value="1"\n\nfound=no\n\n')
    assert Process("/s").values("/m", ["a", "b"]) == ["1", None]


@pytest.mark.parametrize("level", ["operator", "user", ""])
def test_a_level_below_admin_is_refused_with_the_line_to_write(monkeypatch, level):
    Exchange(monkeypatch, joined([level]))
    with pytest.raises(PermissionTooLow, match=f"'{level}'") as caught:
        Process("/s").require_admin()
    assert "level admin" in caught.value.remedy


def test_the_level_admin_is_enough(monkeypatch):
    Exchange(monkeypatch, joined(["admin"]))
    Process("/s").require_admin()


def test_workers_of_before_a_reload_are_found_beside_the_current_one(monkeypatch):
    table = (
        "#<PID>          <type>          <reloads>       <uptime>        <version>\n"
        "10              master          1               0d00h00m09s     2.6.12\n"
        "# workers\n"
        "12              worker          0               0d00h00m01s     2.6.12\n"
        "# old workers\n"
        "11              worker          1               0d00h00m09s     2.6.12\n"
        "# programs\n\n"
    )
    Exchange(monkeypatch, table)
    assert workers("/m", 1.0) == [12, 11]


@pytest.mark.parametrize("reply", ["", "Permission denied\n\n", "# workers\nwhat is this\n", "# workers\n12\n"])
def test_a_table_of_processes_that_is_not_understood_is_quoted(monkeypatch, reply):
    Exchange(monkeypatch, reply)
    with pytest.raises(SocketError, match="not understood"):
        workers("/m", 1.0)
