# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several routers as one transaction: all flip at one instant or none does, whatever happens to the run in between.

The tests share a site with v1 on blue and v2 on green. Each begins with all routers on blue, at rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.load import LoadProcess, Profile
from tests.support.local_router import KINDS, LocalRouter
from tests.support.net import wait_until
from tests.support.ready import call, release, set_up
from tests.support.site import Site, flat

MIXED = ("haproxy", "nginx", "haproxy") if "nginx" in KINDS else ("haproxy", "haproxy", "haproxy")
QUICK = {"bake_seconds": 1, "bake_interval": 0.5, "bake_max_latency_ms": 10_000, "verify_interval": 0.1}
V2: dict[str, Any] = {"bluegreen_release": "v2", "bluegreen_end_window": True}
LIMIT = 120.0


class Fleet(Site):
    """Three routers, and what a test wants to know of all of them."""

    def __init__(self) -> None:
        super().__init__(routers=MIXED, variables={**QUICK, "cutover_confirm_within": 8})

    def colours(self) -> list[str]:
        """Which colour each router's clients get."""
        return [router.answer()[0] for router in self.routers.values()]

    def looks(self) -> list[dict[str, Any]]:
        """What each router knows about itself."""
        return [_look(router) for router in self.routers.values()]

    def at_rest(self, colour: str) -> None:
        """All routers agree in everything, and nothing is left to do (I3, I6)."""
        for look in self.looks():
            assert look["split"][colour] == 100, look
            assert not look["doubts"], look
            assert (look["pending"], look["interrupted"], look["drift"]) == (None, False, ""), look
            assert (look["journal"]["candidate"], look["journal"]["lease"]) == (None, None), look
            assert look["journal"]["stable"] == colour, look
        assert set(self.colours()) == {colour}

    def pending(self, router: LocalRouter) -> dict[str, Any]:
        """The router's pending flip; empty when there is none."""
        with contextlib.suppress(FileNotFoundError):
            record: dict[str, Any] = json.loads((router.folder / "state" / "shop.pending.json").read_text(encoding="utf-8"))
            return record
        return {}

    def wait_for(self, what: str, ask: Callable[[], bool]) -> None:
        wait_until(ask, what, LIMIT)


def _look(router: LocalRouter) -> dict[str, Any]:
    command = [str(router.command), "status", "--json", "--config", str(router.config)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=False).stdout)["shop"]
    return found


@pytest.fixture(scope="module")
def made() -> Iterator[Fleet]:
    with Fleet() as fleet:
        set_up(fleet, "v1", "v2")
        fleet.variables["deploy_method"] = "none"  # v2 is on green, and stays there
        fleet.write_inventory()
        yield fleet


@pytest.fixture(name="fleet")
def on_blue(made: Fleet) -> Fleet:
    if any(look["split"] != {"blue": 100, "green": 0} or look["doubts"] for look in made.looks()):
        made.good("rollback", bluegreen_to="blue")
    return made


def end(process: subprocess.Popen[str]) -> str:
    output, _none = process.communicate(timeout=LIMIT)
    return flat(output)


def test_all_routers_flip_at_one_instant_even_with_one_fork(fleet: Fleet) -> None:
    fleet.forks = 1
    try:
        with contextlib.ExitStack() as stack:
            kinds = ("keepalive", "new", "post", "session")
            loads = [
                stack.enter_context(LoadProcess(Profile(router.port, rate=40, kinds=kinds))) for router in fleet.routers.values()
            ]
            output = fleet.good("release", **V2).output
            summaries = [load.stop() for load in loads]
    finally:
        fleet.forks = 5
    assert [summary.lost for summary in summaries] == [0, 0, 0]
    assert f"{len(fleet.routers)} routers within" in output
    first = [min(a.done for a in summary.answers if a.colour == "green") for summary in summaries]
    last = [max(a.sent for a in summary.answers if a.colour == "blue") for summary in summaries]
    assert max(last) - min(first) < 0.3, "clients saw both colours for longer than the flips can take"
    fleet.at_rest("green")
    done = fleet.good("release", **V2)
    assert "nothing to do: v2 is live" in done.output
    assert done.changed == 0


@pytest.mark.parametrize(
    ("in_the_way", "told"),
    [("haproxy/split.map.next", "the release was not claimed"), ("state/shop.pending.json.next", "The release was rolled back")],
    ids=["claim", "stage"],
)
def test_when_one_router_can_not_do_its_part_none_moves(fleet: Fleet, in_the_way: str, told: str) -> None:
    folder = fleet.routers["router3"].folder / in_the_way
    folder.mkdir()
    try:
        output = fleet.bad("release", **V2)
    finally:
        folder.rmdir()
    assert told in output
    assert in_the_way in output
    fleet.at_rest("blue")


def test_when_one_router_is_held_by_another_run_none_is_claimed(fleet: Fleet) -> None:
    call(fleet.routers["router2"], "claimed", release="v9", owner="bob@other", epoch=900)
    told = fleet.bad("release", **V2)
    assert "bob@other holds the service" in told
    phases = [router.journal["phase"] for router in fleet.routers.values()]
    assert phases == ["abandoned", "claimed", "abandoned"]
    assert [router.journal["lease"] is None for router in fleet.routers.values()] == [True, False, True]
    fleet.good("release", force=True, **V2)
    fleet.at_rest("green")


def test_when_one_router_fails_at_the_instant_the_others_go_back(fleet: Fleet) -> None:
    dying = fleet.routers["router3"]
    with fleet.under_way("release", **V2, cutover_lead=6) as process:
        fleet.wait_for("all routers armed", lambda: all(fleet.pending(router) for router in fleet.routers.values()))
        dying.stop()
        told = end(process)
    assert process.returncode != 0
    assert "The release was rolled back" in told
    assert [router.answer()[0] for name, router in fleet.routers.items() if name != "router3"] == ["blue", "blue"]
    fleet.good("bootstrap", bluegreen_release="v1")
    fleet.good("rollback")
    fleet.at_rest("blue")


@pytest.mark.parametrize("when", ["armed", "flipped"])
def test_a_run_that_dies_between_stage_and_confirmation_leaves_all_routers_where_they_were(fleet: Fleet, when: str) -> None:
    routers = list(fleet.routers.values())

    def armed() -> bool:
        """One is enough: the run may die before it has reached the others."""
        return bool(fleet.pending(routers[0]) or fleet.pending(routers[2]))

    def flipped() -> bool:
        return any(fleet.pending(router).get("flipped_at") for router in routers)

    with fleet.under_way("release", **V2, cutover_lead=3) as process:
        fleet.wait_for(f"a router that has {when}", armed if when == "armed" else flipped)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    fleet.wait_for("the routers to take it back", lambda: not any(fleet.pending(router) for router in routers))
    assert set(fleet.colours()) == {"blue"}
    fleet.good("release", **V2)
    fleet.at_rest("green")


def test_a_release_that_was_paused_wakes_up_after_a_rollback_and_moves_nothing(fleet: Fleet) -> None:
    with fleet.under_way("release", **V2, cutover_lead=4) as process:
        fleet.wait_for("all routers armed", lambda: all(fleet.pending(router) for router in fleet.routers.values()))
        os.killpg(process.pid, signal.SIGSTOP)
        fleet.good("rollback")
        fleet.at_rest("blue")
        os.killpg(process.pid, signal.SIGCONT)
        told = end(process)
    assert process.returncode != 0
    assert "is over" in told
    fleet.at_rest("blue")


def test_a_rollback_during_the_bake_wins_on_every_router(fleet: Fleet) -> None:
    with fleet.under_way("release", **V2, bake_seconds=5) as process:
        fleet.wait_for("all routers on green", lambda: set(fleet.colours()) == {"green"})
        fleet.good("rollback")
        fleet.at_rest("blue")
        told = end(process)
    assert process.returncode != 0
    assert "is over" in told
    fleet.at_rest("blue")


def by_hand(router: LocalRouter, green: int) -> None:
    """Somebody changes the map of a HAProxy with an editor, and tells the process."""
    text = (router.folder / "haproxy" / "split.map").read_text(encoding="ascii")
    lines = [f"shop {green}" if line.split()[0] == "shop" else line for line in text.splitlines()]
    (router.folder / "haproxy" / "split.map").write_text("\n".join(lines) + "\n", encoding="ascii")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{router.folder}/run/admin.sock")
        client.sendall(f"set map {router.folder}/haproxy/split.map shop {green}\n".encode())
        assert client.recv(100) == b"\n"


def test_a_split_that_was_changed_by_hand_is_shown_and_stops_the_release(fleet: Fleet) -> None:
    by_hand(fleet.routers["router3"], 40)
    assert "somebody changed it by hand" in " ".join(look["drift"] for look in fleet.looks())
    told = fleet.bad("release", **V2)
    assert "router3: shop: traffic is 60% blue, 40% green, and the journal says 100% blue" in told
    assert "bluegreen_drift=overwrite" in told
    assert fleet.routers["router1"].journal["lease"] is None
    fleet.good("release", bluegreen_drift="overwrite", **V2)
    fleet.at_rest("green")


def test_a_rollback_is_not_hindered_by_a_split_that_was_changed_by_hand(fleet: Fleet) -> None:
    by_hand(fleet.routers["router1"], 100)
    assert "changed it by hand" in fleet.good("rollback").output
    fleet.at_rest("blue")


def test_a_router_that_missed_a_release_is_found_and_brought_along(fleet: Fleet) -> None:
    away = fleet.routers.pop("router3")
    fleet.write_inventory()
    try:
        fleet.good("release", **V2)
    finally:
        fleet.routers["router3"] = away
        fleet.write_inventory()
    assert "the routers do not agree: traffic is 100% green on router1, router2; 100% blue on router3" in " ".join(
        fleet.good("status").output.split()
    )
    assert "router3: shop: this router is behind the others" in fleet.bad("release", bluegreen_release="v3")
    fleet.good("release", bluegreen_drift="overwrite", bluegreen_release="v2")
    fleet.at_rest("green")


def test_a_rollback_brings_routers_that_disagree_to_one_colour(fleet: Fleet) -> None:
    release([router for name, router in fleet.routers.items() if name != "router3"], "v2")
    assert fleet.colours() == ["green", "green", "blue"]
    fleet.good("rollback")
    fleet.at_rest("blue")


def test_of_two_releases_at_once_at_most_one_moves_the_traffic(fleet: Fleet) -> None:
    runs = [fleet.popen("release", **{**V2, "bluegreen_release": version}) for version in ("v2", "v3")]
    told = [end(run) for run in runs]
    assert sorted(run.returncode == 0 for run in runs) in ([False, False], [False, True]), told
    won = [version for run, version in zip(runs, ("v2", "v3")) if run.returncode == 0]
    if won:
        fleet.at_rest("green")
        assert {router.journal["releases"]["green"] for router in fleet.routers.values()} == set(won)
    else:
        assert set(fleet.colours()) == {"blue"}


def test_a_lease_that_nobody_renews_is_over_for_everybody(fleet: Fleet) -> None:
    with fleet.under_way("release", **V2, plan_lease_seconds=6, bake_seconds=60) as process:
        fleet.wait_for("all routers on green", lambda: set(fleet.colours()) == {"green"})
        os.killpg(process.pid, signal.SIGSTOP)
        fleet.wait_for(
            "the end of every lease", lambda: all(r.journal["lease"]["until"] < time.time() for r in fleet.routers.values())
        )
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    fleet.good("release", **V2)
    fleet.at_rest("green")
