# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input and faults: a clear error, traffic untouched, nothing half-written."""

from __future__ import annotations

import itertools
import json
import os
import socket
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.apps import Apps
from tests.support.faults import NOBODY, advised, fill, kill_at_random, read_only, refused, small_disk
from tests.support.haproxy import HAProxy, Service
from tests.support.load import LoadProcess, Profile
from tests.support.net import wait_until
from tests.support.router import Router, results

ALL_GREEN = {"green": 100}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system or become somebody else")


@pytest.fixture(scope="module")
def _router(_module_apps: Apps) -> Iterator[Router]:
    service = Service.on_free_ports("shop", _module_apps.ports("blue"), _module_apps.ports("green"))
    haproxy = HAProxy([service])
    haproxy.extra_global = f"  stats socket {haproxy.folder}/operator.sock mode 600 level operator\n"
    haproxy.write_config()
    with haproxy, Router([haproxy]) as router:
        yield router


@pytest.fixture
def router(_router: Router, apps: Apps) -> Router:
    """All traffic on blue, release v1; HAProxy sees two healthy servers of each colour."""
    _router.reset()
    for colour in ("blue", "green"):
        _router.wait_health(colour, 2)
    _router.do("present", release="v1")
    return _router


# -- bad input


@pytest.mark.parametrize(
    ("told", "given"),
    [
        (("'red'", "expected blue or green"), {"split": {"red": 100}}),
        (("'red'", "expected blue or green"), {"state": "rolled_back", "colour": "red"}),
        (("blue=10 green=80 adds up to 90", "expected 100"), {"split": {"blue": 10, "green": 80}}),
        (("101", "0..100"), {"split": {"green": 101}}),
        (("-1", "0..100"), {"split": {"green": -1}}),
        (("12.5", "whole number"), {"split": {"green": 12.5}}),
        (("split is empty",), {"split": {}}),
        (("needs split",), {}),
        (("needs colour",), {"state": "drained"}),
        (("'flipped' is unknown", "switched"), {"state": "flipped"}),
        (("'ip' is unknown",), {"split": ALL_GREEN, "sticky": "ip"}),
        (("min_healthy 101",), {"split": ALL_GREEN, "min_healthy": 101}),
        (("timeout 0",), {"state": "drained", "colour": "blue", "timeout": 0}),
        (("confirm_url",), {"split": ALL_GREEN, "confirm_url": "ftp://127.0.0.1/"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, tuple) else "",
)
def test_bad_input_is_refused(router: Router, told: tuple[str, ...], given: dict[str, Any]) -> None:
    refused(router, "bad_input", *told, **given)


@pytest.mark.parametrize("service", ["", "../shop", "shop;show map", "a" * 64])
def test_a_service_that_is_no_name_is_refused(router: Router, service: str) -> None:
    answer = router.ask("switched", service=service, split=ALL_GREEN)
    assert (answer["failed"], answer["reason"]) == (True, "bad_input")
    assert repr(service) in answer["msg"]


def test_the_module_fails_in_the_same_words(router: Router) -> None:
    before = router.everything()
    answer = router.module(split={"blue": 10, "green": 80})
    assert answer["reason"] == "bad_input"
    assert "blue=10 green=80 adds up to 90: expected 100" in answer["msg"]
    assert "colour must be one of: blue, green, got: red" in router.module(state="rolled_back", colour="red")["msg"]
    assert router.module(split=ALL_GREEN, map_file=str(router.folder / "other.map"))["reason"] == "not_configured"
    assert router.everything() == before


# -- the socket


class OddSocket:
    """A stats socket that is none: what it answers is decided by a function of what it was asked."""

    def __init__(self, path: Path, answer: Callable[[bytes], Iterator[bytes]]) -> None:
        self.path, self._answer, self._ended = path, answer, threading.Event()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(16)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ended.is_set():
            client, _address = self._server.accept()
            with client:
                try:
                    for part in self._answer(client.recv(65536)):
                        client.sendall(part)
                        if self._ended.is_set():
                            break
                except OSError:
                    continue

    def wait(self, seconds: float) -> None:
        self._ended.wait(seconds)

    def __enter__(self) -> OddSocket:
        return self

    def __exit__(self, *failure: object) -> None:
        self._ended.set()
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(self.path))
        self._thread.join()
        self._server.close()
        self.path.unlink()


def with_socket(router: Router, path: Path) -> dict[str, Any]:
    """Options with one more socket, behind the real one."""
    return {"sockets": [*router.options["sockets"], str(path)], "socket_timeout": 0.4}


def test_a_socket_that_is_not_there(router: Router) -> None:
    path = router.folder / "missing.sock"
    answer = refused(router, "socket", str(path), "No such file", split=ALL_GREEN, options=with_socket(router, path))
    advised(answer, "start HAProxy", "sockets")
    looked = router.ask("present", info=True, options=with_socket(router, path))
    assert looked["msg"].startswith(f"router1: shop: {path}: No such file or directory. Next: start HAProxy")


def test_a_socket_that_nobody_listens_on(router: Router) -> None:
    path = router.folder / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    answer = refused(router, "socket", str(path), "refused", split=ALL_GREEN, options=with_socket(router, path))
    advised(answer, "HAProxy is not running")


@pytest.mark.parametrize(
    "garbage",
    [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"Unknown command.\n\n", b"Pid: many\n\n", b"\xff\x00\xfe" * 100, b"Pid: 17\n"],
    ids=["nothing", "ssh", "unknown command", "odd pid", "binary", "cut off"],
)
def test_a_socket_that_answers_garbage(router: Router, garbage: bytes) -> None:
    with OddSocket(router.folder / "odd.sock", lambda _asked: iter([garbage])) as odd:
        answer = refused(
            router, "socket", str(odd.path), "not understood", split=ALL_GREEN, options=with_socket(router, odd.path)
        )
    quoted = garbage.decode(errors="replace").partition("\n")[0][:20]
    assert repr(quoted)[1:-1] in answer["msg"]
    advised(answer, "stats socket")


def test_a_socket_that_hangs(router: Router) -> None:
    def hang(_asked: bytes) -> Iterator[bytes]:
        odd.wait(30)
        yield b""

    with OddSocket(router.folder / "odd.sock", hang) as odd:
        answer = refused(router, "socket", str(odd.path), "within 0.4 s", split=ALL_GREEN, options=with_socket(router, odd.path))
    advised(answer, "hangs")


def test_a_socket_that_drips(router: Router) -> None:
    def drip(_asked: bytes) -> Iterator[bytes]:
        while True:
            yield b"x"
            odd.wait(0.05)

    with OddSocket(router.folder / "odd.sock", drip) as odd:
        refused(router, "socket", str(odd.path), "within 0.4 s", split=ALL_GREEN, options=with_socket(router, odd.path))


def test_garbage_in_the_middle_of_a_switch_brings_the_former_split_back(router: Router) -> None:
    """The second HAProxy goes mad exactly at `set map`: the first one has been switched by then."""
    told = threading.Event()

    def almost_haproxy(asked: bytes) -> Iterator[bytes]:
        if b"set map" in asked and not told.is_set():
            told.set()
            yield b"Out of cheese\n\n\n"
            return
        reply = router.haproxy.command(asked.decode().strip())
        yield reply.replace("node: ", "node: not-").encode()  # or it would be taken for the same process

    before = router.everything()
    with OddSocket(router.folder / "odd.sock", almost_haproxy) as odd:
        answer = router.ask("switched", split=ALL_GREEN, options=with_socket(router, odd.path))
    assert told.is_set()
    assert answer["reason"] == "socket"
    assert "'Out of cheese'" in answer["msg"]
    assert "The former split was put back: 100% blue" in answer["msg"]
    assert router.everything() == before
    assert router.leftovers() == []
    assert router.look()["doubts"] == []


def test_a_switch_that_no_client_sees_is_taken_back(router: Router, service: Service) -> None:
    before = router.everything()
    answer = router.ask("switched", split=ALL_GREEN, confirm_url=service.url)  # nobody listens there
    assert answer["reason"] == "not_in_force"
    assert service.url in answer["msg"]
    assert "The former split was put back: 100% blue" in answer["msg"]
    assert router.everything() == before
    assert router.leftovers() == []


def test_a_socket_with_a_level_that_is_too_low(router: Router) -> None:
    path = router.haproxy.folder / "operator.sock"
    answer = refused(router, "permission", str(path), "'operator'", "'admin'", split=ALL_GREEN, options={"sockets": [str(path)]})
    advised(answer, "level admin")


@needs_root
@pytest.mark.parametrize("barred", ["state", "map", "socket"])
def test_somebody_without_rights(router: Router, barred: str) -> None:
    """Everything but one thing is open to the user."""
    folders = {"state": router.state_dir, "map": router.haproxy.folder}
    objects = {"state": router.state_dir / "shop.lock", "map": f"{router.map}.lock", "socket": router.haproxy.sockets[0]}
    router.map.with_name("split.map.lock").unlink(missing_ok=True)
    router.folder.chmod(0o755)
    router.turnout.chmod(0o755)
    for name, folder in folders.items():
        folder.chmod(0o755 if name == barred else 0o777)
    for path in router.state_dir.iterdir():
        path.chmod(0o600 if barred == "state" else 0o666)
    try:
        answer = refused(
            router, "socket" if barred == "socket" else "storage", str(objects[barred]), "Permission denied",
            split=ALL_GREEN, prefix=NOBODY,
        )  # fmt: skip
        advised(answer, "run as root or as a member of the")
    finally:
        for folder in folders.values():
            folder.chmod(0o700)


# -- the configuration of HAProxy


def test_a_service_that_the_map_does_not_have(router: Router) -> None:
    options = {"backends": {"blue": "shop_blue", "green": "shop_green"}}
    for state, given in (("present", {}), ("switched", {"split": ALL_GREEN})):
        answer = refused(router, "not_configured", "no key 'ghost'", state=state, service="ghost", options=options, **given)
        advised(answer, "bootstrap.yml")


@pytest.mark.parametrize(
    ("place", "value"), [("file", "banana"), ("file", "101"), ("file", "-3"), ("memory", "101"), ("memory", "-3")]
)
def test_a_map_key_with_a_value_that_no_switch_writes(router: Router, place: str, value: str) -> None:
    if place == "file":
        router.map.write_text(f"shop {value}\nshop/sticky 0\n", encoding="ascii")
    else:
        assert router.haproxy.command(f"set map {router.map} shop {value}") == "\n"
    answer = refused(router, "not_configured", str(router.map), value, split={"green": 50})
    advised(answer, "correct that line")


def test_a_backend_that_is_not_there(router: Router) -> None:
    answer = refused(
        router, "not_configured", "no backend shop_azure", split=ALL_GREEN, options={"backends": {"blue": "shop_azure"}}
    )
    advised(answer, "bluegreen_router_options.backends")


def test_a_map_that_the_running_configuration_does_not_use(router: Router) -> None:
    unused = router.haproxy.folder / "unused.map"
    unused.write_bytes(router.map.read_bytes())
    answer = refused(
        router, "not_configured", str(unused), "does not use the map", split=ALL_GREEN, options={"map_file": str(unused)}
    )
    unused.unlink()
    advised(answer, "map_file")


def test_a_map_file_that_is_gone(router: Router) -> None:
    router.map.unlink()
    answer = refused(router, "not_configured", str(router.map), "does not exist", split=ALL_GREEN)
    advised(answer, "bootstrap.yml")


# -- the disk


@needs_root
@pytest.mark.parametrize(
    ("spoil", "told", "advice"),
    [(fill, "No space left on device", "free space"), (read_only, "Read-only file system", "read-write")],
    ids=["full", "read-only"],
)
def test_a_disk_that_takes_no_journal(router: Router, spoil: Callable[[Path], None], told: str, advice: str) -> None:
    with small_disk() as disk:
        options = {"state_dir": str(disk)}
        router.do("present", options=options)
        epoch = router.do("claimed", release="v2", options=options)["epoch"]
        spoil(disk)
        before = {path.name: path.read_bytes() for path in disk.iterdir() if path.suffix != ".lock"}
        for given in ({"split": ALL_GREEN, "epoch": epoch}, {"state": "renewed", "phase": "deployed", "epoch": epoch}):
            advised(refused(router, "storage", str(disk / "shop."), told, options=options, **given), advice)
        assert {path.name: path.read_bytes() for path in disk.iterdir() if path.suffix != ".lock"} == before
        assert router.look(options=options)["doubts"] == []
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        (disk / "filler").unlink(missing_ok=True)
        assert router.do("switched", split=ALL_GREEN, epoch=epoch, options=options)["split"]["green"] == 100


@needs_root
@pytest.mark.parametrize(
    ("spoil", "told", "advice"),
    [(fill, "No space left on device", "free space"), (read_only, "Read-only file system", "read-write")],
    ids=["full", "read-only"],
)
def test_a_disk_that_takes_no_map(service: Service, spoil: Callable[[Path], None], told: str, advice: str) -> None:
    with small_disk() as disk:
        haproxy = HAProxy([service])
        haproxy.map = disk / "split.map"
        haproxy.map.write_text("shop 0\nshop/sticky 0\n", encoding="ascii")
        haproxy.write_config()
        with haproxy, Router([haproxy]) as router:
            router.do("present")
            spoil(disk)
            advised(refused(router, "storage", str(haproxy.map), told, split=ALL_GREEN), advice)
            assert router.look()["doubts"] == []
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
            (disk / "filler").unlink(missing_ok=True)
            router.do("switched", split=ALL_GREEN)
            assert set(router.colours()) == {"green"}


# -- the journal


def cut_off(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes()[:100])


def empty(journal: Path) -> None:
    journal.write_bytes(b"")


def newer(journal: Path) -> None:
    journal.write_text(json.dumps({**json.loads(journal.read_bytes()), "format": 99}), encoding="utf-8")


def foreign(journal: Path) -> None:
    journal.write_text(json.dumps({**json.loads(journal.read_bytes()), "service": "other"}), encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [(cut_off, "cut off"), (empty, "damaged"), (newer, "format 99"), (foreign, "'other'")],
    ids=["truncated", "empty", "newer", "of another service"],
)
def test_a_journal_that_can_not_be_read(router: Router, spoil: Callable[[Path], None], told: str) -> None:
    epoch = router.do("claimed", release="v2")["epoch"]
    spoil(router.journal)
    spoiled = router.journal.read_bytes()
    for given in (
        {"split": ALL_GREEN},
        {"split": ALL_GREEN, "epoch": epoch},
        {"state": "rolled_back"},
        {"state": "rolled_back", "force": True},  # to which colour?
        {"state": "claimed", "release": "v3"},
        {"state": "settled", "epoch": epoch},
    ):
        answer = refused(router, "journal", str(router.journal), told, **given)
        advised(answer, "newer turnout.bluegreen" if spoil is newer else "turnout switch shop <colour>=100 --force")
    seen = router.look()
    assert (seen["journal"], seen["epoch"]) == (None, None)
    assert told in seen["journal_error"]
    # The way out: a named colour, forced. Whatever epoch there was, this one is newer.
    router.haproxy.command(f"set map {router.map} shop 100")
    forced = router.do("rolled_back", colour="blue", force=True)
    assert set(router.colours()) == {"blue"}
    assert forced["epoch"] > 1_000_000_000
    assert forced["journal"]["forced"] == "the journal was lost"
    assert router.journal.with_suffix(".json.damaged").read_bytes() == spoiled
    assert router.look()["doubts"] == []
    refused(router, "fenced", split=ALL_GREEN, epoch=epoch)


def test_a_journal_that_is_missing(router: Router) -> None:
    router.journal.unlink()
    for given in ({"split": ALL_GREEN}, {"state": "rolled_back"}, {"state": "claimed", "release": "v2"}):
        advised(refused(router, "journal", "no journal", **given), "bootstrap.yml")
    assert router.do("switched", split=ALL_GREEN, force=True)["epoch"] > 1_000_000_000
    assert set(router.colours()) == {"green"}


# -- health, as HAProxy sees it


def test_a_candidate_with_no_healthy_server_gets_nothing(router: Router, apps: Apps) -> None:
    for app in apps.of("green"):
        app.stop()
    router.wait_health("green", 0)
    for enough in (None, 1, 0):
        answer = refused(
            router,
            "unhealthy",
            "green",
            "0 of 2 healthy",
            "green1: DOWN",
            "blue has 2 of 2",
            split={"green": 1},
            min_healthy=enough,
        )
        advised(answer, "force")
    late = refused(router, "unhealthy", "0 of 2 healthy", state="healthy", colour="green", timeout=0.3)
    advised(late, "look at those servers")
    forced = router.do("switched", split={"green": 1}, force=True)
    assert "0 of 2 healthy" in forced["journal"]["forced"]


def test_a_candidate_with_half_its_servers_needs_to_be_told_that_this_is_enough(router: Router, apps: Apps) -> None:
    apps.of("green")[0].stop()
    router.wait_health("green", 1)
    refused(router, "unhealthy", "1 of 2 healthy", "expected 100%", split=ALL_GREEN)
    refused(router, "unhealthy", "1 of 2 healthy", "expected 51%", split=ALL_GREEN, min_healthy=51)
    router.do("switched", split=ALL_GREEN, min_healthy=50)
    assert set(router.colours()) == {"green"}


def test_the_last_healthy_colour_keeps_its_traffic(router: Router, apps: Apps) -> None:
    router.do("claimed", release="v2")
    router.do("switched", split=ALL_GREEN, epoch=1)
    for app in apps.of("blue"):
        app.stop()
    router.wait_health("blue", 0)
    for given in ({}, {"colour": "blue"}):
        refused(router, "unhealthy", "blue is not fit", "green has 2 of 2", state="rolled_back", **given)
    forced = router.do("rolled_back", force=True)
    assert forced["split"]["blue"] == 100
    assert "blue" in forced["journal"]["forced"]


# -- two runs


def test_a_release_while_another_one_holds_the_service(router: Router) -> None:
    router.do("claimed", release="v2", run="first", owner="alice@one")
    for given in ({"state": "claimed", "release": "v3"}, {"state": "claimed", "release": "v2"}, {"split": ALL_GREEN}):
        answer = refused(router, "lease_held", "alice@one", "v2", run="second", owner="bob@two", **given)
        assert answer["holder"] == "first"
        advised(answer, "rollback.yml", "force")
    assert router.do("claimed", release="v2", run="second", take_over=["first"])["epoch"] == 2
    refused(router, "fenced", "epoch 1 is over", "epoch 2", split=ALL_GREEN, epoch=1, run="first")


def test_a_lease_ends_by_itself(router: Router) -> None:
    router.do("claimed", release="v2", run="first", lease_seconds=1)
    wait_until(lambda: "failed" not in router.ask("claimed", release="v2", run="second"), "the end of the lease")
    assert router.look()["journal"]["lease"]["run"] == "second"


def test_of_two_releases_at_once_one_wins(router: Router) -> None:
    for _round in range(3):
        epoch = router.look()["epoch"]
        answers = results([router.start("claimed", release=f"build-{number}", run=f"run-{number}") for number in range(3)])
        winners = [answer for answer in answers if not answer.get("failed")]
        assert len(winners) == 1
        assert winners[0]["epoch"] == epoch + 1
        assert {answer["reason"] for answer in answers if answer.get("failed")} == {"lease_held"}
        router.do("rolled_back")


def test_an_older_epoch_can_do_nothing(router: Router) -> None:
    epoch = router.do("claimed", release="v2")["epoch"]
    router.do("switched", split={"green": 50}, epoch=epoch)
    router.do("rolled_back", run="rescue")
    attempts: dict[str, dict[str, Any]] = {
        "renewed": {},
        "healthy": {"colour": "green"},
        "staged": {"split": ALL_GREEN},
        "switched": {"split": ALL_GREEN, "force": True},
        "drained": {"colour": "green"},
        "settled": {},
        "abandoned": {},
    }
    for state, given in attempts.items():
        advised(refused(router, "fenced", f"epoch {epoch} is over", state=state, epoch=epoch, **given), "status.yml")


def test_a_rollback_with_nothing_to_go_back_to(router: Router) -> None:
    answer = refused(router, "nothing_to_roll_back", "all traffic is on blue", state="rolled_back")
    advised(answer, "bluegreen_to=green")
    router.do("rolled_back", colour="green")
    assert set(router.colours()) == {"green"}


# -- SIGKILL


def kill_when(happened: Callable[[Router, os.stat_result], bool]) -> Callable[[subprocess.Popen[str], Router], None]:
    """At the very moment that a file changes: the few milliseconds in which traffic moves."""

    def kill(process: subprocess.Popen[str], router: Router) -> None:
        first = router.map.stat()
        while process.poll() is None and not happened(router, first):
            pass
        process.kill()

    return kill


def inode(path: Path) -> int:
    try:
        return path.stat()[stat.ST_INO]
    except FileNotFoundError:
        return 0


KILLS = [
    kill_at_random,
    kill_when(lambda router, _first: inode(router.map.with_name("split.map.next")) != 0),
    kill_when(lambda router, _first: inode(router.state_dir / "shop.json.next") != 0),
    kill_at_random,
    kill_when(lambda router, first: inode(router.map) != first.st_ino),
]


def test_a_killed_call_loses_nothing_and_leaves_nothing_to_clean_by_hand(router: Router) -> None:
    half_done = 0
    scenes = ("rollback after a killed switch", "switch again after a killed switch", "rollback after a killed rollback")
    with LoadProcess(Profile(port=router.port, rate=120, longest=2)) as load:
        for number, (scene, kill) in zip(range(30), itertools.cycle(itertools.product(scenes, KILLS))):
            epoch = router.do("claimed", release=f"build-{number}", run=f"run-{number}")["epoch"]
            switch: dict[str, Any] = {"state": "switched", "split": ALL_GREEN, "run": f"run-{number}"}
            if "killed rollback" in scene:
                router.do(**switch, epoch=epoch)
                process = router.start("rolled_back")
            else:
                process = router.start(**switch, epoch=epoch)
            kill(process, router)
            process.communicate()
            written = json.loads(router.journal.read_bytes())["routing"]["green"]
            half_done += bool(router.leftovers()) or written != router.haproxy.percent("shop")
            if "switch again" in scene:
                mine = router.do("claimed", release=f"build-{number}", run="again", take_over=[f"run-{number}"])
                router.do(**{**switch, "run": "again"}, epoch=mine["epoch"])
                assert set(router.colours()) == {"green"}, scene
            router.do("rolled_back", run="rescue")
            seen = router.look()
            assert (seen["split"]["blue"], seen["doubts"], seen["interrupted"]) == (100, [], False), scene
            assert (seen["journal"]["stable"], seen["journal"]["candidate"], seen["journal"]["lease"]) == ("blue", None, None)
            assert seen["epoch"] > epoch
            assert set(router.colours()) == {"blue"}, scene
            assert router.leftovers() == [], scene
    assert load.summary.lost == 0, load.summary.losses
    assert half_done >= 5, "the kills came too early or too late to interrupt anything"
