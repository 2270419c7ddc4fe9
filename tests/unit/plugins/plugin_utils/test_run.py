# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run this is, and that a run is called dead only when it is known to be."""

from __future__ import annotations

import os

import pytest
from ansible_collections.turnout.bluegreen.plugins.plugin_utils import _run
from hypothesis import given
from hypothesis import strategies as st

HIDDEN = "hidden"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """Processes of this place by pid: their start times."""
    living = {100: "5000", 200: "6000"}
    monkeypatch.setattr(_run, "_place", lambda: "abcdef01-4026531836")
    monkeypatch.setattr(_run, "_start_time", lambda pid: living.get(pid, ""))
    monkeypatch.setattr(_run.os, "getppid", lambda: 100)

    def kill(pid: int, _signal: int) -> None:
        if pid not in living:
            raise ProcessLookupError
        if living[pid] == HIDDEN:
            raise PermissionError

    monkeypatch.setattr(_run.os, "kill", kill)
    return living


def test_a_run_is_its_parent_process(here):
    assert _run.run_id() == "abcdef01-4026531836-100-5000"


def test_a_run_that_lives_is_not_dead(here):
    assert not _run.known_dead(_run.run_id())


def test_a_run_whose_process_is_gone_is_dead(here):
    run = _run.run_id()
    del here[100]
    assert _run.known_dead(run)


def test_a_run_whose_pid_belongs_to_a_later_process_is_dead(here):
    run = _run.run_id()
    here[100] = "7000"
    assert _run.known_dead(run)


def test_a_run_of_another_user_whose_start_is_hidden_is_not_called_dead(here):
    run = _run.run_id()
    here[100] = HIDDEN
    assert not _run.known_dead(run)


@pytest.mark.parametrize(
    "run",
    [
        "",
        "turnout-100",
        "turnout-4711",
        "control2-100-5000",
        "abcdef02-4026531836-4711-5000",
        "abcdef01-4026531999-4711-5000",
        "abcdef01-4026531836-4711-0",
        "abcdef01-4026531836-many-5000",
        "abcdef01-4026531836",
    ],
)
def test_of_a_run_elsewhere_or_of_another_kind_nothing_is_known(here, run):
    assert not _run.known_dead(run)


def test_a_process_without_a_known_start_is_never_called_dead(here):
    del here[100]
    assert not _run.known_dead(_run.run_id())


@given(st.text())
def test_any_text_is_a_run_of_which_nothing_is_known(run):
    assert not _run.known_dead(run)


def test_this_process_lives_and_its_run_is_found_again():
    mine = f"{_run._place()}-{os.getpid()}-{_run._start_time(os.getpid())}"
    assert not _run.known_dead(mine)
    assert _run.known_dead(mine + "1")
    assert _run.run_id() == _run.run_id()


@pytest.mark.parametrize(
    ("stat", "start"),
    [
        ("7 (python3) S " + " ".join(str(n) for n in range(1, 40)), "19"),
        ("7 (a) Z (b) R " + " ".join(str(n) for n in range(1, 40)), "19"),
        ("7 (python3) Z " + " ".join(str(n) for n in range(1, 40)), ""),
        ("7 (python3) X " + " ".join(str(n) for n in range(1, 40)), ""),
    ],
)
def test_the_start_is_the_22nd_field_and_a_zombie_does_not_live(monkeypatch, stat, start):
    monkeypatch.setattr(_run.Path, "read_text", lambda path: stat)
    assert _run._start_time(7) == start


@pytest.mark.parametrize(
    ("variables", "owner"),
    [
        ({"awx_job_id": 7, "awx_user_name": "alice"}, "alice (AWX job 7)"),
        ({"tower_job_id": 8, "tower_user_name": "bob"}, "bob (AWX job 8)"),
        ({"awx_job_id": 9}, "scheduler (AWX job 9)"),
        ({}, "carol@control1"),
    ],
)
def test_the_owner_is_a_name_that_people_know(monkeypatch, variables, owner):
    monkeypatch.setattr(_run.getpass, "getuser", lambda: "carol")
    monkeypatch.setattr(_run.socket, "gethostname", lambda: "control1")
    assert _run.owner(variables) == owner
