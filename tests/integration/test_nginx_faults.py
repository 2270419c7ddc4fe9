# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of an nginx router: each is found before traffic moves, said clearly, and leaves nothing half-written."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.apps import Apps
from tests.support.faults import (
    NOBODY,
    advised,
    fill,
    fill_inodes,
    kill_at_random,
    read_only,
    refused,
    small_disk,
)
from tests.support.haproxy import Service
from tests.support.load import LoadProcess, Profile
from tests.support.net import HOST, free_port, wait_until
from tests.support.nginx import Nginx, NginxRouter
from tests.support.router import Answer

ALL_GREEN = {"green": 100}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system or have workers of another user")


def shop(apps: Apps) -> Service:
    return Service.on_free_ports("shop", apps.ports("blue"), apps.ports("green"))


@pytest.fixture(scope="module")
def _router(_module_apps: Apps) -> Iterator[NginxRouter]:
    with Nginx([shop(_module_apps)], keepalive_timeout="1s") as nginx, NginxRouter(nginx) as router:
        yield router


@pytest.fixture
def router(_router: NginxRouter, apps: Apps) -> NginxRouter:
    """All traffic on blue, release v1, two healthy servers of each colour."""
    _router.reset()
    _router.do("present", release="v1")
    return _router


@pytest.fixture
def nginx(router: NginxRouter) -> Nginx:
    return router.nginx


# -- what is asked for


@pytest.mark.parametrize(
    ("told", "given"),
    [
        (("'red'", "expected blue or green"), {"split": {"red": 100}}),
        (("blue=10 green=80 adds up to 90", "expected 100"), {"split": {"blue": 10, "green": 80}}),
        (("can not end sessions",), {"state": "drained", "colour": "green", "shutdown_sessions": True}),
    ],
)
def test_bad_input_is_refused(router: NginxRouter, told: tuple[str, ...], given: dict[str, Any]) -> None:
    refused(router, "bad_input", *told, **given)


def test_options_that_can_not_be_meant(router: NginxRouter) -> None:
    for options, told in (({"preview": "8404"}, "'8404'"), ({"health_timeout": 0}, "health_timeout")):
        answer = router.ask("switched", split=ALL_GREEN, options=options)
        assert (answer["reason"], told in answer["msg"]) == ("bad_input", True)


def test_stickiness_is_a_matter_of_the_configuration(router: NginxRouter) -> None:
    answer = refused(router, "not_configured", "sticky by 'cookie'", "configured for 'none'", split=ALL_GREEN, sticky="cookie")
    advised(answer, "leave sticky out", "nginx_services", "bootstrap.yml")


# -- what the workers can not see


def close_service(router: NginxRouter) -> Path:
    router.link.parent.chmod(0o700)
    return router.link.parent


def close_target(router: NginxRouter) -> Path:
    target = router.link.parent / "w100"
    target.chmod(0o700)
    return target


@needs_root
@pytest.mark.parametrize("close", [close_service, close_target])
def test_a_directory_that_the_workers_can_not_enter(router: NginxRouter, close: Callable[[NginxRouter], Path]) -> None:
    closed = close(router)
    answer = refused(
        router, "not_configured", "w100", "can not be seen by nginx's workers", f"{closed} is closed", split=ALL_GREEN
    )
    advised(answer, f"chmod o+x {closed}")
    closed.chmod(0o711)
    assert router.do("switched", split=ALL_GREEN)["split"]["green"] == 100
    assert set(router.colours()) == {"green"}


def a_directory(flag: Path) -> None:
    flag.unlink()
    flag.mkdir()


def a_dangling_link(flag: Path) -> None:
    flag.unlink()
    flag.symlink_to("nowhere")


def nothing(flag: Path) -> None:
    flag.unlink()


def one_too_many(flag: Path) -> None:
    (flag.parent / "100").touch()


@pytest.mark.parametrize("spoil", [a_directory, a_dangling_link, nothing, one_too_many])
def test_a_flag_that_is_none(router: NginxRouter, spoil: Callable[[Path], None]) -> None:
    target = router.link.parent / "w100"
    spoil(target / "42")
    wrong = "100" if spoil is one_too_many else "42"
    told = f"{target} is {'without' if spoil is nothing else 'with'} {wrong}"
    advised(refused(router, "not_configured", told, split=ALL_GREEN), f"rm -r {target}")
    shutil.rmtree(target)
    assert router.do("switched", split=ALL_GREEN)["split"]["green"] == 100


def test_a_split_that_is_damaged_while_it_is_in_force(router: NginxRouter) -> None:
    router.do("switched", split={"green": 10})
    inside = router.link.parent / "w10"
    (inside / "3").unlink()
    (inside / "50").touch()
    seen = router.look()
    assert (seen["split"], seen["durable"]["green"]) == (None, 10)
    assert any("is without 3 and with 50" in doubt and "10 of 100 buckets" in doubt for doubt in seen["doubts"])
    shutil.rmtree(inside)
    seen = router.look()  # all workers agree, on something else than the link says
    assert (seen["split"], seen["durable"]["green"]) == ({"blue": 100, "green": 0}, 10)
    assert any(f"{inside} does not exist" in doubt for doubt in seen["doubts"])
    assert router.do("rolled_back")["split"]["blue"] == 100
    assert router.look()["doubts"] == []


@pytest.mark.parametrize("target", ["elsewhere", "w101", None])
def test_a_link_that_is_none(router: NginxRouter, target: str | None) -> None:
    router.link.unlink()
    if target:
        router.link.symlink_to(target)
    answer = refused(router, "not_configured", str(router.link), split=ALL_GREEN)
    advised(answer, "ln -sfn" if target else "bootstrap.yml")


# -- the configuration of nginx

ADOPTED = """
worker_processes 2;
pid {pid_file};
events { worker_connections 512; }
http {
    {temporary}
    access_log off;
    HTTP_LINE
    server {
        listen 127.0.0.1:PORT;
        SERVER_LINE
        location / { SERVICE_LINE }
    }
}
"""
HTTP_LINE = "include {directory}/http.conf;"
SERVICE_LINE = "include {directory}/shop.conf;"


def adopted(service: Service, http: str = HTTP_LINE, server: str = "", location: str = SERVICE_LINE) -> str:
    """The nginx.conf of somebody who had a site before."""
    lines = {"HTTP_LINE": http, "PORT": str(service.port), "SERVER_LINE": server, "SERVICE_LINE": location}
    text = ADOPTED
    for place, line in lines.items():
        text = text.replace(place, line)
    return text


@pytest.fixture
def site(apps: Apps) -> Iterator[NginxRouter]:
    """An existing site with the two lines."""
    service = shop(apps)
    with Nginx([service], main=adopted(service), keepalive_timeout="1s") as nginx, NginxRouter(nginx) as router:
        assert router.do("present", release="v1")["doubts"] == []
        yield router


def bring_in_force(router: NginxRouter, main: str) -> None:
    router.nginx.main = main
    router.nginx.write_config()
    router.nginx.replace_workers()


def test_a_site_is_adopted_by_two_lines(site: NginxRouter) -> None:
    assert site.do("switched", split=ALL_GREEN)["split"]["green"] == 100
    assert set(site.colours()) == {"green"}
    assert site.look()["doubts"] == []


def test_the_line_in_the_section_http_is_missing(site: NginxRouter) -> None:
    service = site.nginx.services["shop"]
    bring_in_force(site, adopted(service, http="", location="return 200 old;"))
    for state, given in (("switched", {"split": ALL_GREEN}), ("rolled_back", {})):
        answer = site.ask(state, **given)
        line = f"'include {site.nginx.directory}/http.conf;'"
        assert (answer["reason"], line in answer["msg"], "in the section http" in answer["msg"]) == ("not_configured", True, True)
        advised(answer, line, "reload nginx")
    assert os.readlink(site.link) == "w0"
    assert site.leftovers() == []


def test_the_line_in_the_location_is_missing(site: NginxRouter) -> None:
    service = site.nginx.services["shop"]
    bring_in_force(site, adopted(service, location="return 200 old;"))
    answer = site.ask("switched", split=ALL_GREEN)
    line = f"'include {site.nginx.directory}/shop.conf;'"
    assert (answer["reason"], line in answer["msg"]) == ("not_configured", True)
    assert f"http://{HOST}:{service.port}/" in answer["msg"]
    advised(answer, line, "into the location that serves shop", "reload nginx")
    assert os.readlink(site.link) == "w0"
    assert site.leftovers() == []


def test_a_server_with_headers_of_its_own(site: NginxRouter) -> None:
    """nginx then leaves ours out, and somebody has to know."""
    service, own = site.nginx.services["shop"], "add_header X-Frame-Options DENY;"
    bring_in_force(site, adopted(service, server=own))
    (doubt,) = site.look()["doubts"]
    line = "add_header X-Bluegreen-Colour $bluegreen_colour always;"
    assert (line in doubt, "lack the header" in doubt) == (True, True)
    bring_in_force(site, adopted(service, server=f"{own} {line}"))
    assert site.look()["doubts"] == []
    assert set(site.colours()) == {"blue"}


def test_a_public_side_that_does_not_answer(router: NginxRouter, nginx: Nginx) -> None:
    facts = nginx.directory / "shop.json"
    text = facts.read_text(encoding="utf-8")
    nobody = f"http://{HOST}:{free_port()}/"
    try:
        facts.write_text(
            json.dumps({**json.loads(text), "probe": {"url": nobody, "host": "shop", "listen": []}}), encoding="utf-8"
        )
        (doubt,) = router.look()["doubts"]
        assert (nobody in doubt, "refused" in doubt) == (True, True)
        advised(refused(router, "socket", nobody, split=ALL_GREEN), "probe_url")
    finally:
        facts.write_text(text, encoding="utf-8")


@contextmanager
def busy_port() -> Iterator[int]:
    with socket.create_server((HOST, free_port())) as taken:
        yield taken.getsockname()[1]


def test_a_master_that_did_not_take_the_reload(apps: Apps) -> None:
    """`nginx -t` is content and the signal is taken; the port is busy, and the old configuration goes on."""
    with Nginx([shop(apps)], keepalive_timeout="1s") as nginx, NginxRouter(nginx) as router:
        router.do("present", release="v1")
        router.do("switched", split=ALL_GREEN)
        workers = nginx.workers()
        with busy_port() as port:
            nginx.http_extra = [f"server {{ listen {HOST}:{port}; }}"]
            nginx.write_config()
            assert nginx.check().returncode == 0
            assert nginx.process is not None
            nginx.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "still could not bind()" in nginx.log_tail(), "nginx to give up")
            assert nginx.workers() == workers
            (doubt,) = router.look()["doubts"]
            assert ("another configuration" in doubt, "did not take the reload" in doubt) == (True, True)
            answer = refused(router, "not_configured", "did not take the reload", split={"green": 50})
            advised(answer, "error log")
            assert router.do("rolled_back")["split"]["blue"] == 100  # a way back does not wait for that
            assert set(router.colours()) == {"blue"}
        nginx.reload()
        assert router.look()["doubts"] == []
        router.do("switched", split={"green": 50})


def test_a_service_that_the_running_nginx_does_not_know(router: NginxRouter, nginx: Nginx, apps: Apps) -> None:
    for name in ("conf", "json"):
        shutil.copy(nginx.directory / f"shop.{name}", nginx.directory / f"stock.{name}")
    nginx.make_split("stock", 0)
    answer = router.ask("present", service="stock")
    assert (answer["reason"], "does not know the service stock" in answer["msg"]) == ("not_configured", True)
    advised(answer, "bootstrap.yml", "error log")


@pytest.mark.parametrize("text", [None, "", "{}", '{"digest": 1}'])
def test_facts_that_are_missing_or_damaged(router: NginxRouter, nginx: Nginx, text: str | None) -> None:
    facts = nginx.directory / "shop.json"
    try:
        facts.unlink() if text is None else facts.write_text(text, encoding="utf-8")
        answer = refused(router, "not_configured", str(facts), split=ALL_GREEN)
        advised(answer, "bootstrap.yml")
    finally:
        nginx.write_config()


# -- nginx itself


def test_an_nginx_that_does_not_run(router: NginxRouter, nginx: Nginx) -> None:
    nginx.stop()
    try:
        answer = router.ask("switched", split=ALL_GREEN)
        assert (answer["reason"], str(nginx.pid_file) in answer["msg"]) == ("socket", True)
        assert "names no nginx that runs" in answer["msg"]
        advised(answer, "start nginx")
    finally:
        nginx.start()
    assert router.look()["doubts"] == []


def test_workers_that_hang(router: NginxRouter, nginx: Nginx) -> None:
    workers = nginx.workers()
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        answer = router.ask("switched", split=ALL_GREEN, options={"socket_timeout": 0.4})
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    assert (answer["reason"], "no answer within 0.4 s" in answer["msg"]) == ("socket", True)
    advised(answer, "hangs")
    assert set(router.colours()) == {"blue"}
    assert router.leftovers() == []


def test_somebody_else_on_the_preview_s_port(router: NginxRouter, nginx: Nginx, apps: Apps) -> None:
    options = {"preview": f"{HOST}:{apps.ports('blue')[0]}"}
    answer = refused(router, "not_configured", options["preview"], "answered with 404", split=ALL_GREEN, options=options)
    advised(answer, "section http", "preview")


def test_a_pid_file_that_is_not_there_is_no_hindrance(router: NginxRouter) -> None:
    assert router.do("switched", split=ALL_GREEN, options={"pid_file": str(router.folder / "no.pid")})["changed"]
    assert set(router.colours()) == {"green"}


# -- the servers, as this host sees them


def test_a_candidate_with_no_healthy_server_gets_nothing(router: NginxRouter, apps: Apps) -> None:
    ports = apps.ports("green")
    for app in apps.of("green"):
        app.stop()
    for enough in (None, 1, 0):
        answer = refused(
            router,
            "unhealthy",
            "0 of 2 healthy",
            f"green1 ({HOST}:{ports[0]}): connection refused",
            "blue has 2 of 2",
            split={"green": 1},
            min_healthy=enough,
        )
        advised(answer, "force")
    advised(refused(router, "unhealthy", "0 of 2 healthy", state="healthy", colour="green", timeout=0.3), "look at those servers")
    forced = router.do("switched", split={"green": 1}, force=True)
    assert "0 of 2 healthy" in forced["journal"]["forced"]


def test_a_broken_release_gets_nothing(router: NginxRouter, apps: Apps) -> None:
    apps.release("green", "v3", "broken")
    answer = refused(router, "unhealthy", "/health was answered with 503, expected 200 to 399", split=ALL_GREEN)
    assert "green2" in answer["msg"]


def test_half_a_colour_needs_to_be_told_that_this_is_enough(router: NginxRouter, apps: Apps) -> None:
    apps.of("green")[0].stop()
    refused(router, "unhealthy", "1 of 2 healthy", "expected 100%", split=ALL_GREEN)
    router.do("switched", split=ALL_GREEN, min_healthy=50)
    # Requests that the stopped one refuses go to the other one of the same colour.
    assert router.colours(20) == {"green": 20}


def test_a_server_becomes_healthy_while_somebody_waits(router: NginxRouter, apps: Apps) -> None:
    app = apps.of("green")[1]
    app.stop()
    waiting = router.start("healthy", colour="green", timeout=30)
    app.start()
    assert waiting.wait(30) == 0
    assert router.do("healthy", colour="green", timeout=0.1)["capacity"]["green"]["healthy"] == 2


def test_servers_that_hang_hold_nobody_longer_than_the_time_they_have(router: NginxRouter, apps: Apps) -> None:
    pids = [app.process.pid for app in apps.apps if app.process]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        seen = router.look(options={"health_timeout": 1.5})
        took = time.monotonic() - began
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert [seen["capacity"][colour]["healthy"] for colour in ("blue", "green")] == [0, 0]
    assert seen["capacity"]["blue"]["sick"][0].endswith("no answer within 1.5 s")
    assert 1.5 <= took < 2 * 1.5  # all four at once, and the start of the command
    assert set(router.colours()) == {"blue"}


def test_a_server_whose_name_nobody_knows(router: NginxRouter, nginx: Nginx) -> None:
    facts = nginx.directory / "shop.json"
    known = json.loads(facts.read_text(encoding="utf-8"))
    known["servers"]["green"][0]["address"] = "no-such-host.invalid:80"
    facts.write_text(json.dumps(known), encoding="utf-8")
    try:
        refused(router, "unhealthy", "green1 (no-such-host.invalid:80): its name can not be resolved", split=ALL_GREEN)
    finally:
        nginx.write_config()


# -- disks and rights


@needs_root
@pytest.mark.parametrize(
    ("spoil", "told", "advice"),
    [(fill, "No space left on device", "free space"), (read_only, "Read-only file system", "read-write")],
    ids=["full", "read-only"],
)
def test_a_disk_that_takes_no_journal(router: NginxRouter, spoil: Callable[[Path], None], told: str, advice: str) -> None:
    with small_disk() as disk:
        options = {"state_dir": str(disk)}
        router.do("present", options=options)
        epoch = router.do("claimed", release="v2", options=options)["epoch"]
        spoil(disk)
        advised(refused(router, "storage", str(disk / "shop."), told, options=options, split=ALL_GREEN, epoch=epoch), advice)
        assert router.look(options=options)["doubts"] == []
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        (disk / "filler").unlink(missing_ok=True)
        assert router.do("switched", split=ALL_GREEN, epoch=epoch, options=options)["split"]["green"] == 100


@pytest.fixture
def cramped(apps: Apps) -> Iterator[tuple[NginxRouter, Path]]:
    """Split and journal on a disk with room for a few hundred files."""
    with small_disk("size=64k,mode=755,nr_inodes=400") as disk:
        nginx = Nginx([shop(apps)], keepalive_timeout="1s", directory=disk / "bluegreen")
        with nginx, NginxRouter(nginx) as router:
            router.state_dir = disk / "state"
            router.state_dir.mkdir()
            router.do("present", release="v1")
            yield router, disk


@needs_root
def test_a_full_disk_refuses_a_switch_and_lets_a_rollback_pass(cramped: tuple[NginxRouter, Path]) -> None:
    router, disk = cramped
    epoch = router.do("claimed", release="v2")["epoch"]
    router.do("switched", split=ALL_GREEN, epoch=epoch)
    fill_inodes(disk)
    for green in (25, 0):
        answer = refused(router, "storage", str(router.link), "No space left on device", split={"green": green}, epoch=epoch)
        advised(answer, "free space")
    assert router.do("rolled_back")["split"]["blue"] == 100
    assert set(router.colours()) == {"blue"}
    seen = router.look()
    assert (seen["doubts"], seen["interrupted"], seen["journal"]["phase"]) == ([], False, "rolled_back")
    # And again, because the spare link that was taken is there once more.
    shutil.rmtree(disk / "filler")
    router.do("switched", split=ALL_GREEN)
    fill_inodes(disk)
    assert router.do("rolled_back")["split"]["blue"] == 100
    assert set(router.colours()) == {"blue"}


@needs_root
def test_a_read_only_disk_refuses(cramped: tuple[NginxRouter, Path]) -> None:
    router, disk = cramped
    router.do("switched", split=ALL_GREEN)
    read_only(disk)
    for answer in (router.ask("switched", split={"green": 25}), router.ask("rolled_back")):
        assert (answer["reason"], "Read-only file system" in answer["msg"]) == ("storage", True)
        advised(answer, "read-write")
    assert set(router.colours()) == {"green"}
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    router.do("rolled_back")
    assert set(router.colours()) == {"blue"}


@needs_root
@pytest.mark.parametrize("barred", ["state", "split"])
def test_somebody_without_rights(router: NginxRouter, barred: str) -> None:
    folders = {"state": router.state_dir, "split": router.link.parent}
    router.folder.chmod(0o755)
    router.turnout.chmod(0o755)
    for name, folder in folders.items():
        folder.chmod(0o755 if name == barred else 0o777)
    for path in router.state_dir.iterdir():
        path.chmod(0o600 if barred == "state" else 0o666)
    told = router.state_dir / "shop.lock" if barred == "state" else f"{router.link}.next"
    answer = refused(router, "storage", str(told), "Permission denied", split=ALL_GREEN, prefix=NOBODY)
    advised(answer, "run as root or as a member of the")


# -- doubts and interruptions


def test_a_switch_that_no_client_sees_is_taken_back(router: NginxRouter) -> None:
    nobody = f"http://{HOST}:{free_port()}/"
    before = router.everything()
    answer = router.ask("switched", split=ALL_GREEN, confirm_url=nobody)
    assert (answer["reason"], nobody in answer["msg"]) == ("not_in_force", True)
    assert "The former split was put back: 100% blue" in answer["msg"]
    assert router.everything() == before
    assert router.leftovers() == []


def test_a_link_that_somebody_replaced_by_hand(router: NginxRouter) -> None:
    router.link.unlink()
    router.link.symlink_to("w100")
    seen = router.look()
    assert seen["split"]["green"] == 100
    assert "somebody changed it by hand" in seen["drift"]
    assert router.do("rolled_back")["split"]["blue"] == 100
    assert router.look()["drift"] == ""


def test_an_older_epoch_can_do_nothing(router: NginxRouter) -> None:
    epoch = router.do("claimed", release="v2")["epoch"]
    router.do("rolled_back", run="rescue")
    for state, given in (("switched", {"split": ALL_GREEN}), ("settled", {}), ("drained", {"colour": "green"})):
        advised(refused(router, "fenced", f"epoch {epoch} is over", state=state, epoch=epoch, **given), "status.yml")


def kill_when(happened: Callable[[NginxRouter], bool]) -> Callable[[subprocess.Popen[str], NginxRouter], None]:
    """At the very moment that a file changes: the few milliseconds in which traffic moves."""

    def kill(process: subprocess.Popen[str], router: NginxRouter) -> None:
        while process.poll() is None and not happened(router):
            pass
        process.kill()

    return kill


def flipped(router: NginxRouter) -> bool:
    written = json.loads(router.journal.read_bytes())["routing"]["green"]
    return os.readlink(router.link) != f"w{written}"


KILLS: list[Callable[[subprocess.Popen[str], NginxRouter], None]] = [
    kill_at_random,
    kill_when(lambda router: os.path.lexists(f"{router.link}.next")),
    kill_when(lambda router: (router.state_dir / "shop.json.next").exists()),
    kill_when(lambda router: (router.link.parent / "w.next").exists()),
    kill_when(flipped),
]


def left_by(router: NginxRouter) -> bool:
    return bool(router.leftovers()) or flipped(router)


def test_a_killed_call_loses_nothing_and_leaves_nothing_to_clean_by_hand(router: NginxRouter) -> None:
    half_done = 0
    scenes = ("rollback after a killed switch", "switch again after a killed switch", "rollback after a killed rollback")
    with LoadProcess(Profile(port=router.port, rate=120, longest=2)) as load:
        for number, (scene, kill) in zip(range(20), itertools.cycle(itertools.product(scenes, KILLS))):
            run = f"run-{number}"
            epoch = router.do("claimed", release=f"build-{number}", run=run)["epoch"]
            split = {"green": 60 + number}  # a directory that is not there yet
            if "killed rollback" in scene:
                router.do("switched", split=split, epoch=epoch, run=run)
                process = router.start("rolled_back")
            else:
                process = router.start("switched", split=split, epoch=epoch, run=run)
            kill(process, router)
            process.communicate()
            half_done += left_by(router)
            if "switch again" in scene:
                mine = router.do("claimed", release=f"build-{number}", run="again", take_over=[run])
                answer = router.do("switched", split=split, epoch=mine["epoch"], run="again")
                assert answer["split"] == {"blue": 40 - number, **split}, scene
            router.do("rolled_back", run="rescue")
            seen = router.look()
            assert (seen["split"]["blue"], seen["doubts"], seen["interrupted"]) == (100, [], False), scene
            assert (seen["journal"]["stable"], seen["journal"]["candidate"], seen["journal"]["lease"]) == ("blue", None, None)
            assert seen["epoch"] > epoch
            assert set(router.colours()) == {"blue"}, scene
            assert router.leftovers() == [], scene
    assert load.summary.lost == 0, load.summary.losses
    assert half_done >= 5, "the kills came too early or too late to interrupt anything"


def test_a_flip_at_an_instant_that_no_run_confirms_is_taken_back(router: NginxRouter) -> None:
    epoch = router.do("claimed", release="v2")["epoch"]
    at = router.look()["clock"] + 3
    armed: Answer = router.do("staged", split=ALL_GREEN, epoch=epoch, at=at, confirm_within=2)
    assert armed["split"]["blue"] == 100
    assert router.do("committed", split=ALL_GREEN, epoch=epoch, at=at)["split"]["green"] == 100
    assert set(router.colours()) == {"green"}
    wait_until(lambda: router.look()["split"]["blue"] == 100, "the router to take the flip back")
    wait_until(lambda: router.look()["journal"]["phase"] == "taken_back", "the journal to say so")
    assert router.leftovers() == []
