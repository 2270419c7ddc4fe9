# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role haproxy against a real HAProxy on free ports: what clients see before, during and after a run."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.apps import Apps
from tests.support.net import HOST, free_port, short_directory, wait_until
from tests.support.play import play
from tests.support.site import Done

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") or "/usr/sbin/haproxy"
ROLE = [{"name": "Set the router up", "ansible.builtin.include_role": {"name": "turnout.bluegreen.haproxy"}}]
USERS_CONFIG = """\
global
    stats socket {folder}/admin.sock level admin mode 600

defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s

frontend www
    bind {host}:{port}
    http-request set-header X-Mine 1
    use_backend static if {{ path_beg /static }}
    default_backend old

# what it was before
backend old
    http-request return status 200 content-type text/plain string old

backend static
    http-request return status 200 content-type text/plain string static
"""


class Place:
    """A folder that stands for one router host, and an inventory with one blue and one green host."""

    def __init__(self, folder: Path, apps: Apps) -> None:
        self.folder, self.port, self.preview_port = folder, free_port(), free_port()
        self.config, self.map = folder / "haproxy.cfg", folder / "bluegreen" / "split.map"
        self.hosts = {
            colour: {f"{colour}1": {"bluegreen_address": HOST, "bluegreen_port": apps.ports(colour)[0]}}
            for colour in ("blue", "green")
        }
        start = [HAPROXY, "-W", "-D", "-S", f"{folder}/master.sock", "-p", f"{folder}/pid", "-f", str(self.config)]
        self.variables: dict[str, Any] = {
            "bluegreen_service": "shop",
            "haproxy_services": [self.service("shop")],
            "haproxy_binary": HAPROXY,
            "haproxy_install": False,
            "haproxy_config_file": str(self.config),
            "haproxy_directory": str(self.map.parent),
            "haproxy_socket": f"{folder}/admin.sock",
            "haproxy_state_dir": f"{folder}/state",
            "haproxy_preview_bind": f"{HOST}:{self.preview_port}",
            "haproxy_service_name": "",
            "haproxy_start_command": start,
            "haproxy_reload_command": ["/bin/sh", "-c", f"kill -USR2 $(cat {folder}/pid)"],
            "haproxy_ready_timeout": 15,
        }
        for name in ("user", "group", "chroot", "admin_group"):
            self.variables[f"haproxy_{name}"] = ""
        self.variables["haproxy_log_targets"] = []

    def service(self, name: str, **settings: Any) -> dict[str, Any]:
        return {"name": name, "bind": [f"{HOST}:{self.port}"], "health_interval": "200ms", "health_rise": 1, **settings}

    def run(self, *arguments: str, hosts: Mapping[str, Mapping[str, Any]] | None = None, **extra: Any) -> Done:
        groups = {name: {"hosts": members} for name, members in (hosts or self.hosts).items()}
        groups["routers"] = {"hosts": {"router1": {}}}
        return play(self.folder / "run", {"all": {"children": groups}}, "routers", ROLE, *arguments, **(self.variables | extra))

    def get(self, path: str = "/", port: int = 0, **headers: str) -> tuple[int, str, str]:
        """Status, colour and body of one request on a new connection."""
        connection = http.client.HTTPConnection(HOST, port or self.port, timeout=5)
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, response.getheader("X-Bluegreen-Colour") or "", response.read().decode()
        finally:
            connection.close()

    def colours(self, count: int = 30, port: int = 0, **headers: str) -> Counter[str]:
        return Counter(self.get(port=port, **headers)[1] for _request in range(count))

    def preview(self, **headers: str) -> tuple[int, str]:
        return self.get(port=self.preview_port, **headers)[:2]

    def ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(self.folder / "admin.sock"))
            client.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: client.recv(65536), b"")).decode()

    @property
    def pid(self) -> str:
        """Pid of the worker that answers now."""
        return next(line for line in self.ask("show info").splitlines() if line.startswith("Pid:"))

    def switch(self, percent: int, service: str = "shop") -> None:
        """As the traffic module does: first the file, then the memory."""
        lines = [line for line in self.map.read_text().splitlines() if line.split()[0] != service]
        self.map.write_text("\n".join([*lines, f"{service} {percent}"]) + "\n")
        assert self.ask(f"set map {self.map} {service} {percent}").strip() == ""

    def start(self, *files: Path) -> None:
        command = [HAPROXY, "-W", "-D", "-S", f"{self.folder}/master.sock", "-p", f"{self.folder}/pid"]
        assert os.spawnv(os.P_WAIT, HAPROXY, command + [word for file in files for word in ("-f", str(file))]) == 0

    def stop(self) -> None:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pid = int((self.folder / "pid").read_text())
            os.kill(pid, signal.SIGTERM)
            stat = Path(f"/proc/{pid}/stat")
            wait_until(lambda: not stat.exists() or stat.read_text().split()[2] == "Z", "the end of HAProxy")


@pytest.fixture(scope="module")
def _place(_module_apps: Apps) -> Iterator[Place]:
    with short_directory("role") as folder:
        place = Place(Path(folder), _module_apps)
        first = place.run()
        assert first.status == 0, first.output
        try:
            yield place
        finally:
            place.stop()


@pytest.fixture
def place(_place: Place, apps: Apps) -> Place:
    """The role has run once; all traffic is on blue."""
    _place.switch(0)
    wait_until(lambda: {_place.preview(X_Bluegreen_Preview=colour)[0] for colour in _place.hosts} == {200}, "health")
    return _place


@pytest.fixture
def bare(_module_apps: Apps) -> Iterator[Place]:
    """A host on which the role has not run."""
    with short_directory("role") as folder:
        place = Place(Path(folder), _module_apps)
        try:
            yield place
        finally:
            place.stop()


@contextlib.contextmanager
def load(place: Place) -> Iterator[Counter[str]]:
    """One request after the other while the block runs; what was lost counts as `lost`."""
    seen: Counter[str] = Counter()
    end = threading.Event()

    def client() -> None:
        while not end.is_set():
            try:
                status, colour, _body = place.get()
                seen[colour if status == 200 else "lost"] += 1
            except (OSError, http.client.HTTPException):
                seen["lost"] += 1
            end.wait(0.005)

    thread = threading.Thread(target=client)
    thread.start()
    try:
        yield seen
    finally:
        end.set()
        thread.join()


def test_check_mode_on_a_bare_host_shows_the_configuration_and_changes_nothing(bare: Place) -> None:
    bare.variables["haproxy_config_file"] = f"{bare.folder}/etc/haproxy.cfg"
    done = bare.run("--check", "--diff")
    assert done.status == 0, done.output
    assert done.changed > 0
    assert "default_backend shop_blue" in done.output
    assert "+shop 0" in done.output
    assert [path.name for path in bare.folder.iterdir()] == ["run"]


def test_check_mode_without_haproxy_says_that_it_would_be_installed(bare: Place) -> None:
    done = bare.run("--check", haproxy_binary=f"{bare.folder}/haproxy", haproxy_install=True)
    assert done.status == 0, done.output
    assert "The package would be installed" in done.output


def test_a_first_run_serves_blue_and_a_second_changes_nothing(place: Place) -> None:
    assert place.colours() == {"blue": 30}
    before = place.pid
    again = place.run()
    assert (again.status, again.changed) == (0, 0), again.output
    assert place.pid == before


@pytest.mark.parametrize(("percent", "idle"), [(0, "green"), (100, "blue"), (30, "green")])
def test_the_preview_reaches_both_colours_whatever_the_split(place: Place, percent: int, idle: str) -> None:
    place.switch(percent)
    assert place.preview(X_Bluegreen_Preview="blue") == (200, "blue")
    assert place.preview(X_Bluegreen_Preview="Green") == (200, "green")
    assert place.preview() == (200, idle)


def test_the_preview_refuses_what_it_does_not_know(place: Place) -> None:
    assert place.preview(X_Bluegreen_Preview="red")[0] == 400
    assert place.preview(X_Bluegreen_Service="blog")[0] == 404


def test_the_public_frontend_does_not_honour_the_preview_header(place: Place) -> None:
    assert place.colours(X_Bluegreen_Preview="green") == {"blue": 30}


def test_a_new_configuration_moves_no_traffic_and_loses_no_request(place: Place) -> None:
    place.switch(100)
    before = place.pid
    with load(place) as seen:
        done = place.run(haproxy_timeout_server="61s", haproxy_defaults_extra=["option forwardfor"])
    assert done.status == 0, done.output
    assert done.changed > 0
    assert place.pid != before
    assert set(seen) == {"green"}
    assert seen["green"] > 100
    assert place.colours() == {"green": 30}
    assert "shop 100" in place.map.read_text()


def test_a_sticky_setting_that_the_map_has_otherwise_is_left_alone(place: Place) -> None:
    before = place.map.read_text()
    done = place.run(haproxy_services=[place.service("shop", sticky="source")])
    assert done.status == 0, done.output
    assert place.map.read_text() == before


def test_a_reload_that_would_move_traffic_is_refused(place: Place) -> None:
    config = place.config.read_text()
    assert place.ask(f"set map {place.map} shop 100").strip() == ""
    done = place.run(haproxy_timeout_server="62s")
    assert done.status != 0
    assert "'shop' is 100 in memory and 0 in the file: a reload would move traffic" in done.output
    assert place.config.read_text() == config
    assert place.colours() == {"green": 30}


def test_a_damaged_map_is_named_line_by_line_and_not_touched(place: Place) -> None:
    good = place.map.read_text()
    bad = "shop\nblog many\nwiki 101\nwiki/sticky 3\nother 1\nother 2\n"
    place.map.write_text(bad)
    try:
        done = place.run()
        assert done.status != 0
        assert place.map.read_text() == bad
    finally:
        place.map.write_text(good)
    for message in (
        "line 1 is 'shop', expected a key and a number from 0 to 100",
        "line 2 is 'blog many'",
        "line 3 is 'wiki 101'",
        "line 4 is 'wiki/sticky 3', expected a key and a number from 0 to 2",
        "line 6 has the key 'other' a second time",
    ):
        assert message in done.output, done.output


def test_a_configuration_that_haproxy_refuses_leaves_the_old_one_in_place(place: Place) -> None:
    config, pid = place.config.read_text(), place.pid
    done = place.run(haproxy_defaults_extra=["option nonsense"])
    assert done.status != 0
    assert "unknown option 'nonsense'" in done.output
    assert "the old one stays in force" in done.output
    assert (place.config.read_text(), place.pid) == (config, pid)
    assert place.colours() == {"blue": 30}


def test_a_run_that_died_before_the_reload_is_completed_by_the_next(place: Place) -> None:
    dead = place.run(haproxy_timeout_server="63s", haproxy_reload_command=["/bin/true"], haproxy_ready_timeout=1)
    assert dead.status != 0
    assert "did not answer with the configuration on disk within 1 s" in dead.output
    before = place.pid
    done = place.run(haproxy_timeout_server="63s")
    assert done.status == 0, done.output
    assert place.pid != before


def test_everything_that_can_not_be_routed_is_named_at_once(bare: Place) -> None:
    hosts: dict[str, Any] = {"blue": {"a": {}, "b": {}}, "green": {"b": {}}, "red": {}, "c": {"a": {}}}
    hosts["d"] = {"e": {"bluegreen_address": "a"}}
    services = [
        bare.service("shop", sticky="cookie"),
        bare.service("shop", green_group="red"),
        bare.service("blog", green_group="nowhere"),
        bare.service("a b", blue_group="c", green_group="d"),
    ]
    done = bare.run(hosts=hosts, haproxy_services=services)
    assert done.status != 0
    for message in (
        "service shop: b in both blue and green",
        "service shop: the inventory group red has no hosts",
        "service blog: the inventory group nowhere has no hosts",
        "service a b: hosts of c and of d have the address a:8080",
        "may have letters, digits",
        "the service name shop is used twice",
        "service shop: sticky is 'cookie', so sticky_cookie must name",
        "share a frontend",
    ):
        assert message in done.output, done.output
    assert [path.name for path in bare.folder.iterdir()] == ["run"]


def test_services_share_a_frontend_and_keep_their_own_split(bare: Place) -> None:
    done = bare.run(
        haproxy_services=[
            bare.service("shop", hosts=["Shop.example.com"], sticky="cookie", sticky_cookie="sid"),
            bare.service("blog.main", hosts=["blog.example.com"]),
        ],
        haproxy_preview_networks=["127.0.0.0/8"],
    )
    assert done.status == 0, done.output
    bare.switch(100, "blog.main")
    wait_until(lambda: bare.get(Host="blog.example.com")[0] == 200, "green is healthy")
    assert bare.colours(Host="shop.example.com:80") == {"blue": 30}
    assert bare.colours(Host="BLOG.example.com") == {"green": 30}
    assert bare.get(Host="wiki.example.com")[0] == 404
    assert bare.preview(Host="blog.example.com") == (200, "blue")
    assert bare.preview(X_Bluegreen_Service="shop") == (200, "green")
    assert bare.colours(Host="shop.example.com", X_Bluegreen_Preview="green") == {"green": 30}
    bare.switch(50)
    by_cookie = [bare.colours(10, Host="shop.example.com", Cookie=f"sid=c{number}") for number in range(40)]
    assert all(len(colours) == 1 for colours in by_cookie)
    assert len({colour for colours in by_cookie for colour in colours}) == 2


@pytest.fixture
def adopted(bare: Place) -> Place:
    """A configuration of the user's own, running, that has not heard of colours."""
    bare.map.parent.mkdir()
    include = bare.map.parent / "bluegreen.cfg"
    include.write_text("")
    bare.config.write_text(USERS_CONFIG.format(folder=bare.folder, host=HOST, port=bare.port))
    bare.start(bare.config, include)
    wait_until(lambda: bare.get()[2] == "old", "the old configuration")
    bare.variables |= {"haproxy_mode": "adopt", "haproxy_adopt_frontend": "www"}
    return bare


def test_an_adopted_configuration_divides_its_traffic_and_keeps_its_own_rules(adopted: Place) -> None:
    check = adopted.run("--check", "--diff")
    assert check.status == 0, check.output
    assert "BEGIN turnout.bluegreen" in check.output
    assert adopted.get()[2] == "old"
    done = adopted.run()
    assert done.status == 0, done.output
    wait_until(lambda: adopted.preview(X_Bluegreen_Preview="green")[0] == 200, "green is healthy")
    assert adopted.colours() == {"blue": 30}
    assert adopted.get("/static/x")[2] == "static"
    adopted.switch(100)
    with load(adopted) as seen:
        again = adopted.run(haproxy_timeout_server="61s")
    assert again.status == 0, again.output
    assert set(seen) == {"green"}
    last = adopted.run(haproxy_timeout_server="61s")
    assert (last.status, last.changed) == (0, 0), last.output
    original = USERS_CONFIG.format(folder=adopted.folder, host=HOST, port=adopted.port)
    head, _begin, rest = adopted.config.read_text().partition("    # BEGIN turnout.bluegreen\n")
    assert head + rest.partition("    # END turnout.bluegreen\n")[2] == original


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("frontend www", "frontend web", "Name one of these in haproxy_adopt_frontend: web"),
        ("level admin", "level operator", "level admin mode 660"),
        ("mode http", "mode tcp", "has not 'mode http'"),
    ],
)
def test_what_can_not_be_adopted_is_named_and_not_touched(adopted: Place, old: str, new: str, message: str) -> None:
    text = adopted.config.read_text().replace(old, new)
    adopted.config.write_text(text)
    done = adopted.run()
    assert done.status != 0
    assert message in done.output, done.output
    assert adopted.config.read_text() == text
    assert [path.name for path in adopted.map.parent.iterdir()] == ["bluegreen.cfg"]
