# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command on the router: what people type, what they read, and the answer that the action plugin reads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import NothingToRollBack
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal import Lease
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import Capacity, Routing, Split
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic import command, engine, outcome
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.command import SENTINEL, main
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.report import report, way_back
from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.request import Request

from tests.support.memory_router import (
    NOON,
    MemoryRouter,
    World,
    releasing,
    world_with,
)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A release on its way, behind whatever router the command asks for."""
    world = releasing("blue", {"green": 50}, releases={"blue": "v1", "green": "v2"})
    monkeypatch.setattr(command, "router_of", lambda kind, name, service, options: MemoryRouter(world))
    return world


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """What bootstrap writes for one service."""
    (tmp_path / "shop.json").write_text('{"kind": "haproxy", "service": "shop", "options": {}}')
    return tmp_path


def turnout(config: Path, *words: str) -> int:
    return main([*words, "--config", str(config)])


@pytest.mark.parametrize("words", [["rollback"], ["rollback", "shop"], ["rollback", "--to", "blue", "shop"]])
def test_rollback_sends_all_traffic_back(world, config, capsys, words):
    assert turnout(config, *words) == 0
    assert world.durable == Routing(Split(0))
    assert capsys.readouterr().out == "memory: traffic goes from 50% blue, 50% green back to 100% blue\n"
    assert "(turnout)" in world.record().changed_by
    assert turnout(config, *words) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_rollback_names_a_colour_against_the_journal(world, config):
    assert turnout(config, "rollback", "--to", "green") == 0
    assert world.record().stable == "green"


@pytest.mark.parametrize(
    "words", [["green=75"], ["shop", "green=75"], ["green=75", "blue=25"], ["shop", "blue=25%"], ["--force", "shop", "green=75"]]
)
def test_switch_sets_the_split(world, config, words):
    assert turnout(config, "switch", *words) == 0
    assert world.durable == Routing(Split(75))
    assert world.record().epoch == 2


def test_check_says_what_would_happen_and_changes_nothing(world, config, capsys):
    before = world.copy()
    assert turnout(config, "rollback", "--check") == 0
    assert capsys.readouterr().out.startswith("would change: memory: traffic goes from")
    assert turnout(config, "switch", "green=50", "--check") == 0
    assert capsys.readouterr().out.startswith("would change nothing: ")
    assert world == before


@pytest.mark.parametrize("words", [["green"], ["green=x"], ["green=60", "blue=60"], ["red=100"], ["green=5", "green=6"]])
def test_what_is_no_split_is_refused_with_one_line(world, config, capsys, words):
    before = world.copy()
    assert turnout(config, "switch", "shop", *words) == 1
    assert capsys.readouterr().err.startswith("turnout: ")
    assert world == before


def test_a_sick_colour_needs_force_and_the_journal_knows(world, config, capsys):
    world.capacity["green"] = Capacity(0, 2)
    assert turnout(config, "switch", "green=100") == 1
    assert "turnout --force" in capsys.readouterr().err
    assert turnout(config, "switch", "green=100", "--force") == 0
    assert "not fit for traffic" in world.record().forced


def test_a_router_with_several_services_asks_which(world, config, capsys):
    (config / "cart.json").write_text("{}")
    assert turnout(config, "rollback") == 1
    assert "cart, shop" in capsys.readouterr().err


def test_a_service_that_is_not_known_is_answered_with_those_that_are(world, config, capsys):
    assert turnout(config, "status", "shoop") == 1
    assert "known here: shop" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"kind": "haproxy"}'])
def test_a_damaged_configuration_is_named(config, capsys, text):
    (config / "shop.json").write_text(text)
    assert turnout(config, "status", "shop") == 1
    assert str(config / "shop.json") in capsys.readouterr().err


def test_a_router_without_any_service_says_what_to_run(tmp_path, capsys):
    assert turnout(tmp_path / "none", "status") == 1
    assert "bootstrap.yml" in capsys.readouterr().err


def test_status_ends_with_one_when_something_is_in_doubt(world, config, capsys):
    assert turnout(config, "status") == 0
    world.durable = Routing(Split(100))
    assert turnout(config, "status") == 1
    assert "ATTENTION: traffic is 50% blue, 50% green, but after a restart it would be 100% green" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "key"), [(["status", "--json"], "shop"), (["rollback", "--json"], "changed")])
def test_programs_get_json(world, config, capsys, words, key):
    turnout(config, *words)
    assert key in json.loads(capsys.readouterr().out)


def call(capsys: pytest.CaptureFixture[str], **asked: Any) -> dict[str, Any]:
    everything = {"kind": "haproxy", "router": "lb1", "options": {}, "info": False, "check_mode": False, **asked}
    assert main(["call", json.dumps(everything)]) == 0
    line = capsys.readouterr().out
    assert line.startswith(SENTINEL)
    assert line.count("\n") == 1
    answer: dict[str, Any] = json.loads(line[len(SENTINEL) :])
    return answer


def test_a_call_is_answered_with_one_marked_line(world, capsys):
    asked = {"service": "shop", "state": "rolled_back"}
    assert call(capsys, params=asked, check_mode=True)["changed"]
    assert world.durable == Routing(Split(50))
    assert call(capsys, params=asked)["split"] == {"blue": 100, "green": 0}
    assert call(capsys, params=asked, info=True)["report"].startswith("shop on memory: 100% blue")


def test_a_call_that_fails_is_answered_with_its_reason(world, capsys):
    held = replace(world.record(), lease=Lease("b", "bob", 4e9))
    world.journal = json.dumps(held.as_dict())
    failed = call(capsys, params={"service": "shop", "state": "claimed", "release": "v2", "run": "a"})
    assert (failed["failed"], failed["reason"], failed["holder"]) == (True, "lease_held", "b")
    assert ". Next: " in failed["msg"]


def test_a_kind_that_is_not_known_is_answered(capsys):
    failed = call(capsys, kind="carrier-pigeon", params={"service": "shop", "state": "rolled_back"})
    assert failed["reason"] == "bad_input"
    assert "haproxy" in failed["msg"]


def look(world: World) -> dict[str, Any]:
    router = MemoryRouter(world)
    return outcome.describe(router, router.observe())


def test_the_report_reads_from_top_to_bottom():
    world = releasing("blue", {"green": 5}, releases={"blue": "v1"}, lease=Lease("a", "alice", NOON + 90))
    world.capacity["green"], world.in_flight["blue"] = Capacity(1, 2, ("g2: DOWN",)), 7
    assert report("shop", look(world)).splitlines() == [
        "shop on memory: 95% blue, 5% green",
        "  blue  v1: 2 of 2 healthy, 7 in flight",
        "  green release not known: 1 of 2 healthy (g2: DOWN), 0 in flight",
        "  stable blue, phase claimed, epoch 1",
        "  releasing v2 to green",
        "  held by alice for 90 s more, last sign of life 30 s ago",
        "  way back: blue (v1), at once: turnout rollback shop",
    ]


@pytest.mark.parametrize(
    ("text", "words"), [(None, "journal: none (run bootstrap.yml)"), ("{", "journal: it is damaged or cut off")]
)
def test_the_report_of_a_lost_journal(text, words):
    assert words in report("shop", look(World(journal=text)))


def test_the_report_of_a_router_in_doubt():
    world = releasing("blue")
    world.processes[1] = Routing(Split(100))
    text = report("shop", look(world))
    assert text.startswith("shop on memory: traffic in doubt")
    assert "ATTENTION: processes disagree" in text


HALFWAY = world_with("blue")
HALFWAY.durable = Routing(Split(100))
HOT: dict[str, Any] = {"rollback_to": "blue", "hot_until": NOON + 9, "phase": "settled"}


@pytest.mark.parametrize(
    "world",
    [
        world_with("blue"),
        world_with("blue", {"green": 30}),
        world_with("blue", phase="retired"),
        world_with("blue", phase="rolled_back"),
        world_with("blue", phase="abandoned"),
        releasing("blue"),
        releasing("green", {"green": 50}),
        world_with("green", **HOT),
        HALFWAY,
    ],
)
def test_the_way_back_that_is_promised_is_the_one_that_is_taken(world):
    seen = look(world)
    promised = way_back(seen["journal"], seen)
    try:
        request = Request.parse({"service": "shop", "state": "rolled_back"})
        outcome = engine.run(request, MemoryRouter(world), world.clock)
    except NothingToRollBack:
        assert promised.startswith("none")
        return
    if not outcome.changed:
        assert promised.startswith("none")
        return
    assert promised.startswith(f"{world.record().stable} (")


def test_a_way_back_to_a_sick_colour_is_none_to_count_on():
    world = releasing("blue", {"green": 100})
    world.capacity["blue"] = Capacity(0, 2)
    seen = look(world)
    assert way_back(seen["journal"], seen) == "blue, but no server of it is healthy"
