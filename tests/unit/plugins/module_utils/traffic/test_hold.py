# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that waits for a person: who may answer what, when, and what the answer leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import Fenced, NothingHeld, Refused
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal import Hold, Journal, Lease
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal_file import encode
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import Routing, Split
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic import command, outcome
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.change import Change
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.command import main
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.plan import plan
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.report import report
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.request import Request

from tests.support.memory_router import NOON, MemoryRouter, World, releasing, world_with

ALICE = Lease("a", "alice", NOON + 60)
ASKED = Hold(25, NOON - 40, NOON + 3560)
GONE = replace(ASKED, answer="go", by="bob", answered_at=NOON - 10)
STOPPED = replace(ASKED, answer="stop", by="bob", answered_at=NOON - 10)


def change(world: World, state: str, **params: Any) -> Change:
    asked = {"service": "shop", "state": state, "run": "a", "owner": "alice", **params}
    return plan(Request.parse(asked), MemoryRouter(world).observe())


def waiting(hold: Hold | None = ASKED, green: int = 25, **record: Any) -> World:
    return releasing("blue", {"green": green}, **{"lease": ALICE, "hold": hold, "phase": "held", **record})


def answered(world: World, **params: Any) -> Journal:
    return change(world, "promoted", run="", owner="bob", **params).journal


@pytest.mark.parametrize("green", [0, 25, 100])
def test_the_step_that_waits_is_the_one_in_force(green):
    made = change(waiting(None, green), "held", epoch=1, timeout=600, hold_on_timeout="go")
    assert made.journal.hold == Hold(green, NOON, NOON + 600, "go")
    assert (made.journal.phase, made.journal.epoch, made.moves_traffic) == ("held", 1, False)


def test_asking_again_keeps_the_answer():
    assert not change(waiting(GONE), "held", epoch=1).needed


def test_the_next_step_asks_anew():
    assert change(waiting(GONE, 50), "held", epoch=1).journal.hold == Hold(50, NOON, NOON + 60)


def test_only_the_run_that_holds_the_service_asks():
    with pytest.raises(Fenced):
        change(waiting(None), "held", epoch=1, run="b")
    with pytest.raises(Fenced):
        change(waiting(None), "held", epoch=0)
    with pytest.raises(Refused, match="no release is under way"):
        change(world_with("blue", epoch=1), "held", epoch=1)


@pytest.mark.parametrize("answer", ["go", "stop"])
@pytest.mark.parametrize("params", [{}, {"release": "v2"}, {"step": 25}])
def test_an_answer_says_who_and_claims_nothing(answer, params):
    world = waiting()
    journal = answered(world, answer=answer, **params)
    assert journal.hold == replace(ASKED, answer=answer, by="bob", answered_at=NOON)
    assert (journal.epoch, journal.lease, journal.routing, journal.phase) == (1, ALICE, Routing(Split(25)), "held")


@pytest.mark.parametrize(
    ("hold", "answer", "words"),
    [
        (ASKED, "go", "go: release v2 goes on from 25% green with its next step"),
        (ASKED, "stop", "stop: all traffic goes back to blue"),
        (replace(ASKED, step=0), "stop", "stop: release v2 is given up, all traffic stays on blue"),
        (replace(ASKED, step=100), "go", "go: green becomes stable, traffic stays where it is"),
    ],
)
def test_an_answer_says_what_it_does_to_traffic(hold, answer, words):
    assert change(waiting(hold, hold.step), "promoted", answer=answer).note == words


@pytest.mark.parametrize(
    ("world", "params", "words"),
    [
        (waiting(None), {}, "nothing waits for approval: release v2 is under way"),
        (world_with("blue"), {}, "nothing waits for approval: no release is under way"),
        (waiting(), {"release": "v3"}, "release v3 does not wait: v2 does, at 25% green"),
        (waiting(GONE, 50), {}, "release v2 is at 50% green, and 25% green was answered with go by bob"),
        (waiting(), {"step": 50}, "50% does not wait for approval: 25% green does"),
    ],
)
def test_what_does_not_wait_is_not_answered(world, params, words):
    with pytest.raises(NothingHeld, match=words):
        answered(world, **params)


def test_the_same_answer_twice_is_one():
    made = change(waiting(GONE), "promoted", owner="carol")
    assert not made.needed
    assert made.note.startswith("bob has answered already")
    assert not change(waiting(STOPPED), "promoted", answer="stop").needed


@pytest.mark.parametrize(("hold", "answer"), [(GONE, "stop"), (STOPPED, "go")])
def test_an_answer_stands(hold, answer):
    with pytest.raises(Refused, match=f"bob has answered {hold.answer} 10 s ago"):
        answered(waiting(hold), answer=answer)


@pytest.mark.parametrize("lease", [None, replace(ALICE, until=NOON - 30)])
def test_an_answer_that_nobody_waits_for_is_refused(lease):
    with pytest.raises(Refused, match="nobody waits for the answer any more"):
        answered(waiting(lease=lease))


def test_the_run_that_waits_brings_the_answer_to_the_other_routers():
    made = change(waiting(lease=replace(ALICE, until=NOON - 1)), "promoted", epoch=1, owner="bob")
    assert made.journal.hold is not None
    assert (made.journal.hold.answer, made.journal.hold.by) == ("go", "bob")
    with pytest.raises(Fenced):
        change(waiting(), "promoted", epoch=1, run="b")


@pytest.mark.parametrize(("hold", "words"), [(ASKED, "25% green waits for approval"), (STOPPED, "bob has answered stop")])
@pytest.mark.parametrize("state", ["switched", "staged"])
def test_no_step_is_taken_without_go(hold, words, state):
    with pytest.raises(Refused, match=words):
        change(waiting(hold), state, epoch=1, split={"green": 50})
    assert change(waiting(GONE), state, epoch=1, split={"green": 50}).needed


def test_a_candidate_that_waits_does_not_become_stable():
    with pytest.raises(Refused, match="100% green waits for approval"):
        change(waiting(replace(ASKED, step=100), 100), "settled", epoch=1)
    assert change(waiting(replace(GONE, step=100), 100), "settled", epoch=1).journal.hold is None


@pytest.mark.parametrize("hold", [ASKED, GONE, STOPPED])
def test_whatever_ends_or_resumes_the_release_ends_the_wait(hold):
    for state, params in (("rolled_back", {}), ("claimed", {"release": "v2"}), ("switched", {"split": {"green": 50}})):
        assert change(waiting(hold), state, **params).journal.hold is None
    assert change(waiting(hold, 0), "abandoned", epoch=1).journal.hold is None


def test_a_sign_of_life_keeps_the_wait():
    assert change(waiting(), "renewed", epoch=1).journal.hold == ASKED


def seen_by_people(world: World) -> str:
    router = MemoryRouter(world)
    return report("shop", outcome.describe(router, router.observe()))


def test_the_status_says_what_waits_and_who_has_answered():
    words = "waits for approval of 25% green since 2027-01-15 07:59:20Z (3560 s left, then it goes back): promote.yml"
    assert words in seen_by_people(waiting())
    assert "of the cutover since" in seen_by_people(waiting(replace(ASKED, step=0), 0))
    assert "then it goes on" in seen_by_people(waiting(replace(ASKED, on_timeout="go")))
    assert "over for 5 s" in seen_by_people(waiting(replace(ASKED, until=NOON - 5)))
    assert "25% green: bob has answered go 10 s ago" in seen_by_people(waiting(GONE))
    assert "approval" not in seen_by_people(waiting(None))


@pytest.mark.parametrize(
    ("words", "answer"),
    [(["promote"], "go"), (["promote", "shop", "--stop"], "stop"), (["promote", "--release", "v2"], "go")],
)
def test_the_command_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words, answer):
    (tmp_path / "shop.json").write_text('{"kind": "haproxy", "service": "shop", "options": {}}')
    world = waiting()
    monkeypatch.setattr(command, "router_of", lambda kind, name, service, options: MemoryRouter(world))
    before = world.copy()
    assert main([*words, "--check", "--config", str(tmp_path)]) == 0
    assert world == before
    assert main([*words, "--config", str(tmp_path)]) == 0
    hold = world.record().hold
    assert hold is not None
    assert hold.answer == answer
    assert "(turnout)" in hold.by
    assert f"memory: {answer}: " in capsys.readouterr().out
    world.journal = encode(replace(world.record(), hold=None))
    assert main([*words, "--config", str(tmp_path)]) == 1
    assert "nothing waits" in capsys.readouterr().err
