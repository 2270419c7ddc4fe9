# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `turnout` as the person on call uses it on the router, without Ansible."""

from __future__ import annotations

import json
import os
import pwd
import socket
import stat
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.apps import Apps
from tests.support.haproxy import HAProxy, Service
from tests.support.load import LoadProcess, Profile
from tests.support.router import Router, as_user

ME = pwd.getpwuid(os.getuid()).pw_name
NOBODY, GROUP = 65534, 54321
STRANGER = as_user(NOBODY, NOBODY)
MEMBER = as_user(NOBODY, NOBODY, GROUP)
NAMELESS = as_user(54322, GROUP)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture(scope="module")
def _router(_module_apps: Apps) -> Iterator[Router]:
    ports = _module_apps.ports("blue"), _module_apps.ports("green")
    haproxy = HAProxy([Service.on_free_ports(name, *ports) for name in ("shop", "stock")])
    if os.geteuid() == 0:
        haproxy.extra_global = f"  stats socket {haproxy.folder}/group.sock mode 660 gid {GROUP} level admin\n"
    haproxy.write_config()
    with haproxy, Router([haproxy]) as router:
        yield router


@pytest.fixture
def router(_router: Router, apps: Apps) -> Router:
    """One service that bootstrap has made known: all traffic on blue, release v1."""
    _router.reset()
    for colour in ("blue", "green"):
        _router.wait_health(colour, 2)
    _router.do("present", release="v1")
    for known in _router.config.iterdir():
        known.unlink()
    _router.bootstrap()
    return _router


def journal(router: Router) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(router.journal.read_bytes())
    return record


def test_the_way_of_an_incident(router: Router) -> None:
    """Look, switch, look, roll back: with traffic on it."""
    with LoadProcess(Profile(port=router.port, rate=100, longest=1)) as load:
        done = router.by_hand("status")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("shop on router1: 100% blue\n")
        assert "blue  v1: 2 of 2 healthy" in done.stdout
        assert "way back: none" in done.stdout

        done = router.by_hand("switch", "shop", "green=100")
        assert (done.returncode, done.stdout) == (0, "router1: traffic goes from 100% blue to 100% green\n")
        assert set(router.colours()) == {"green"}
        assert "way back: blue (v1), at once: turnout rollback shop" in router.by_hand("status").stdout

        done = router.by_hand("rollback")
        assert (done.returncode, done.stdout) == (0, "router1: traffic goes from 100% green back to 100% blue\n")
        assert set(router.colours()) == {"blue"}
        assert router.by_hand("rollback").stdout == "router1: nothing to do: all traffic is on blue already\n"
    assert load.summary.lost == 0, load.summary.losses


def test_the_journal_says_who_did_it_and_runs_are_fenced(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    epoch = router.do("claimed", release="v2")["epoch"]
    done = router.by_hand("switch", "green=100")
    assert done.returncode == 1
    assert "alice@control holds the service" in done.stderr
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert router.by_hand("switch", "green=100", "--force").returncode == 0
    written = journal(router)
    assert written["changed_by"] == f"{ME}@{socket.gethostname()} (turnout)"
    assert written["forced"] == "the lease of alice@control"
    assert (written["epoch"], written["lease"], written["phase"]) == (epoch + 1, None, "switched")
    late = router.ask("switched", split={"green": 0}, epoch=epoch)
    assert late["reason"] == "fenced"
    if os.geteuid() == 0:
        monkeypatch.setenv("SUDO_USER", "carol")
        router.by_hand("rollback")
        assert journal(router)["changed_by"].startswith("carol@")


def test_check_says_what_would_be_done_and_does_nothing(router: Router) -> None:
    before = router.everything()
    done = router.by_hand("switch", "green=25", "--check")
    assert (done.returncode, done.stdout) == (0, "would change: router1: traffic goes from 100% blue to 75% blue, 25% green\n")
    done = router.by_hand("switch", "blue=100", "--check")
    assert done.stdout.startswith("would change nothing: ")
    assert router.everything() == before
    router.by_hand("switch", "green=25")
    before = router.everything()[:2]
    assert router.by_hand("rollback", "--check").stdout.startswith("would change: ")
    assert router.everything()[:2] == before


def test_json_is_the_whole_answer(router: Router) -> None:
    known = json.loads(router.by_hand("status", "--json").stdout)
    assert known.keys() == {"shop"}
    assert known["shop"] == {**router.look(), "clock": known["shop"]["clock"], "in_flight": known["shop"]["in_flight"]}
    answer = json.loads(router.by_hand("switch", "green=40", "--json").stdout)
    assert (answer["changed"], answer["split"]) == (True, {"blue": 60, "green": 40})
    assert answer["journal"] == journal(router)


@pytest.mark.parametrize(
    "words",
    [
        ("switch", "shop", "green=100", "--force"),
        ("switch", "--force", "shop", "green=100"),
        ("switch", "shop", "--force", "green=100"),
        ("switch", "green=100%", "blue=0"),
        ("switch", "blue=0", "shop", "green=100"),
        ("rollback", "shop", "--to", "green"),
        ("rollback", "--to", "green", "--force"),
    ],
    ids=" ".join,
)
def test_words_may_come_in_any_order(router: Router, words: tuple[str, ...]) -> None:
    done = router.by_hand(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(router.colours()) == {"green"}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("switch", "red=100"), 1, "'red' is unknown: expected blue or green"),
        (("switch", "green=50", "blue=40"), 1, "adds up to 90"),
        (("switch", "green=lots"), 1, "'green=lots' is not a weight"),
        (("switch", "green=101"), 1, "not within 0..100"),
        (("switch", "shop", "stock", "green=1"), 1, "which service"),
        (("switch", "shop"), 1, "for example green=100"),
        (("switch",), 2, "COLOUR=PERCENT"),
        (("switch", "green=1", "--unknown"), 2, "--unknown"),
        (("rollback", "--to", "red"), 2, "'red'"),
        (("rollback", "shop", "stock"), 2, "stock"),
        (("rollback",), 1, "nothing to roll back to"),
        (("status", "ghost"), 1, "known here: shop"),
        (("status", "../shop"), 1, "service '../shop'"),
        (("flip",), 2, "'flip'"),
        ((), 2, "command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_can_not_be_meant_is_refused(router: Router, words: tuple[str, ...], code: int, told: str) -> None:
    before = router.everything()
    done = router.by_hand(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert router.everything() == before


def test_with_two_services_one_is_named(router: Router) -> None:
    router.bootstrap("shop", "stock")
    router.do("present", service="stock")
    done = router.by_hand("switch", "green=100")
    assert (done.returncode, done.stdout) == (1, "")
    assert "which service? There are shop, stock" in done.stderr
    assert router.by_hand("switch", "stock", "green=100").returncode == 0
    status = router.by_hand("status")
    assert status.returncode == 0
    assert "shop on router1: 100% blue" in status.stdout
    assert "stock on router1: 100% green" in status.stdout
    assert router.by_hand("status", "stock").stdout.startswith("stock on router1: 100% green")


def test_status_fails_when_something_is_not_as_it_should_be(router: Router) -> None:
    router.haproxy.command(f"set map {router.map} shop 100")
    done = router.by_hand("status")
    assert done.returncode == 1
    assert "ATTENTION: traffic is 100% green, but after a restart it would be 100% blue" in done.stdout
    router.haproxy.command(f"set map {router.map} shop 0")
    router.journal.write_bytes(router.journal.read_bytes()[:50])
    done = router.by_hand("status")
    assert done.returncode == 1
    assert "journal" in done.stdout
    assert "cut off" in done.stdout


def test_a_router_that_was_not_bootstrapped_says_so(router: Router) -> None:
    (router.config / "shop.json").unlink()
    for words in (("status",), ("switch", "green=1"), ("rollback",)):
        done = router.by_hand(*words)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{router.config} names no service. Next: run bootstrap.yml" in done.stderr


@pytest.mark.parametrize("text", ["", '{"kind": "haproxy"', "[]", '{"kind": "haproxy"}', '{"kind": "f5", "options": {}}'])
def test_a_damaged_record_of_the_service_is_told(router: Router, text: str) -> None:
    (router.config / "shop.json").write_text(text, encoding="utf-8")
    done = router.by_hand("status")
    assert (done.returncode, done.stdout) == (1, "")
    assert str(router.config / "shop.json") in done.stderr
    assert "Traceback" not in done.stderr


# -- rights, as bootstrap gives them


@pytest.fixture
def shared(router: Router) -> Iterator[Router]:
    """Everything belongs to root and the group: setgid folders, sockets, command."""
    haproxy = router.haproxy
    sockets = [haproxy.folder / "group.sock"]
    record = {"kind": "haproxy", "router": router.name, "options": {**router.options, "sockets": [str(path) for path in sockets]}}
    (router.config / "shop.json").write_text(json.dumps(record), encoding="utf-8")
    modes = {
        router.folder: 0o755,
        router.config: 0o750,
        router.config / "shop.json": 0o640,
        router.turnout: 0o750,
        router.state_dir: 0o2770,
        router.journal: 0o660,
        router.state_dir / "shop.lock": 0o660,
        haproxy.folder: 0o2775,
        haproxy.map: 0o664,
        haproxy.map.with_name("split.map.lock"): 0o660,
        haproxy.master_socket: 0o660,
    }
    for path, mode in modes.items():
        os.chown(path, 0, GROUP)
        path.chmod(mode)
    yield router
    for path in modes:
        if path.exists():
            os.chown(path, 0, 0)
    haproxy.folder.chmod(0o700)
    haproxy.master_socket.chmod(0o600)
    router.folder.chmod(0o700)


def rights(router: Router) -> dict[str, tuple[int, int]]:
    """Group and mode of all that a change writes."""
    paths = [*router.state_dir.iterdir(), router.map, router.map.with_name("split.map.lock")]
    return {path.name: (path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) for path in paths}


@needs_root
def test_a_stranger_can_do_nothing(shared: Router) -> None:
    before = shared.everything()
    for words in (("status",), ("switch", "green=100"), ("rollback",)):
        # The shell's own words for a file that may not be run.
        done = shared.by_hand(*words, prefix=STRANGER)
        assert done.returncode == 126
        assert "Permission denied" in done.stderr
    # With a copy of the command it is the files that say no.
    shared.turnout.chmod(0o755)
    for words in (("status",), ("switch", "green=100"), ("rollback",)):
        done = shared.by_hand(*words, prefix=STRANGER)
        assert (done.returncode, done.stdout) == (1, "")
        assert "Permission denied. Next: run as root or as a member of the group" in done.stderr
    assert shared.everything() == before


@needs_root
def test_a_member_of_the_group_and_root_take_turns(shared: Router) -> None:
    before = rights(shared)
    assert before["shop.json"] == (GROUP, 0o660)
    assert before["split.map"] == (GROUP, 0o664)
    for number in range(2):
        done = shared.by_hand("status", prefix=MEMBER)
        assert (done.returncode, done.stderr) == (0, "")
        done = shared.by_hand("switch", "green=100", prefix=MEMBER)
        assert (done.returncode, done.stderr) == (0, "")
        assert set(shared.colours()) == {"green"}
        assert journal(shared)["changed_by"].startswith(f"{pwd.getpwuid(NOBODY).pw_name}@")
        assert rights(shared) == before
        # As root, through another socket: the files stay the group's.
        assert shared.do("rolled_back")["changed"], number
        assert rights(shared) == before
    assert shared.by_hand("rollback", "--to", "green", prefix=MEMBER).returncode == 0
    assert shared.leftovers() == []


@needs_root
def test_a_user_without_a_name_is_named_by_number(shared: Router) -> None:
    done = shared.by_hand("switch", "green=100", prefix=NAMELESS)
    assert (done.returncode, done.stderr) == (0, "")
    assert journal(shared)["changed_by"].startswith("54322@")


@needs_root
def test_a_master_that_the_group_may_not_ask_is_a_doubt(shared: Router) -> None:
    """Workers that a reload left behind can not be told then: that is said, not passed over."""
    shared.haproxy.master_socket.chmod(0o600)
    done = shared.by_hand("switch", "green=100", "--json", prefix=MEMBER)
    assert done.returncode == 0
    assert any("workers that a reload left behind can not be told" in doubt for doubt in json.loads(done.stdout)["doubts"])
    done = shared.by_hand("status", prefix=MEMBER)
    assert done.returncode == 1
    assert f"ATTENTION: {shared.haproxy.master_socket}: Permission denied" in done.stdout
