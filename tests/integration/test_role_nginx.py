# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role nginx against a real nginx on free ports: what clients see before, during and after a run."""

from __future__ import annotations

import contextlib
import getpass
import grp
import http.client
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.options import SPEC

from tests.support.apps import Apps
from tests.support.net import HOST, REPOSITORY, free_port, short_directory, wait_until
from tests.support.play import play
from tests.support.site import Done, Site

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") or "/usr/sbin/nginx"
ROLE = [{"name": "Set the router up", "ansible.builtin.include_role": {"name": "turnout.bluegreen.nginx"}}]
TEMPORARY = [f"{kind}_temp_path {{folder}}/temp/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
USERS_CONFIG = """\
user {user};
worker_processes 2;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    {temporary}
    include sites/*;
}}
"""
USERS_SITE = """\
server {{
    listen {host}:{port};
    location / {{
        return 200 "old";
    }}
    location /static {{
        return 200 "static";
    }}
}}
"""


class Place:
    """A folder that stands for one router host, and an inventory with one blue and one green host."""

    def __init__(self, folder: Path, apps: Apps) -> None:
        self.folder, self.port, self.preview_port = folder, free_port(), free_port()
        self.config, self.splits = folder / "nginx.conf", folder / "bluegreen"
        self.pid_file, self.error_log = folder / "pid", folder / "error.log"
        (folder / "temp").mkdir()
        self.hosts = {
            colour: {f"{colour}1": {"bluegreen_address": HOST, "bluegreen_port": apps.ports(colour)[0]}}
            for colour in ("blue", "green")
        }
        self.variables: dict[str, Any] = {
            "bluegreen_service": "shop",
            "nginx_services": [self.service("shop")],
            "nginx_binary": NGINX,
            "nginx_install": False,
            "nginx_config_file": str(self.config),
            "nginx_directory": str(self.splits),
            "nginx_state_dir": f"{folder}/state",
            "nginx_pid_file": str(self.pid_file),
            "nginx_error_log": str(self.error_log),
            "nginx_access_log": "off",
            "nginx_log_directory": str(folder),
            "nginx_preview_bind": f"{HOST}:{self.preview_port}",
            "nginx_service_name": "",
            "nginx_start_command": [NGINX, "-c", str(self.config)],
            "nginx_reload_command": ["/bin/sh", "-c", f"echo >>{folder}/reloads; exec {NGINX} -c {self.config} -s reload"],
            "nginx_ready_timeout": 15,
            "nginx_admin_group": "",
            "nginx_worker_processes": "2",
            "nginx_worker_connections": 256,
            # The folder is closed to all others, so the workers are of the user who runs the tests.
            "nginx_user": getpass.getuser() if os.geteuid() == 0 else "",
            "nginx_http_extra": [line.format(folder=folder) for line in TEMPORARY],
        }

    def service(self, name: str, **settings: Any) -> dict[str, Any]:
        return {"name": name, "listen": [f"{HOST}:{self.port}"], **settings}

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

    @property
    def reloads(self) -> int:
        """How often nginx was told to reload."""
        counted = self.folder / "reloads"
        return len(counted.read_text().splitlines()) if counted.exists() else 0

    def current(self, service: str = "shop") -> str:
        return os.readlink(self.splits / service / "current")

    def switch(self, percent: int, service: str = "shop") -> None:
        """As the traffic module does: the directory first, then the link by a rename."""
        folder = self.splits / service
        (folder / f"w{percent}").mkdir(exist_ok=True)
        for bucket in range(percent):
            (folder / f"w{percent}" / str(bucket)).touch()
        (folder / "next").symlink_to(f"w{percent}")
        (folder / "next").rename(folder / "current")

    def start(self) -> None:
        subprocess.run([NGINX, "-c", str(self.config)], check=True)

    def stop(self) -> None:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            pid = int(self.pid_file.read_text())
            os.kill(pid, signal.SIGTERM)
            stat = Path(f"/proc/{pid}/stat")
            wait_until(lambda: not stat.exists() or stat.read_text().split()[2] == "Z", "the end of nginx")


@pytest.fixture(scope="module")
def _place(_module_apps: Apps) -> Iterator[Place]:
    with short_directory("role") as folder:
        place = Place(Path(folder), _module_apps)
        try:
            first = place.run()
            assert first.status == 0, first.output
            yield place
        finally:
            place.stop()


@pytest.fixture
def place(_place: Place, apps: Apps) -> Place:
    """The role has run once; all traffic is on blue."""
    _place.switch(0)
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
def busy_port() -> Iterator[int]:
    """A port that another process has; here it is this one."""
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        yield other.getsockname()[1]


def files(folder: Path) -> dict[str, str]:
    """All that lies below the folder: the content of files, the target of links."""
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def test_check_mode_on_a_bare_host_shows_the_configuration_and_changes_nothing(bare: Place) -> None:
    bare.variables["nginx_config_file"] = f"{bare.folder}/etc/nginx.conf"
    done = bare.run("--check", "--diff")
    assert done.status == 0, done.output
    assert done.changed > 0
    assert "+    upstream shop_blue {" in done.output.replace("+upstream", "+    upstream")
    assert f"+{bare.splits}/shop/current" in done.output
    assert sorted(path.name for path in bare.folder.iterdir()) == ["run", "temp"]


def test_check_mode_without_nginx_says_that_it_would_be_installed(bare: Place) -> None:
    done = bare.run("--check", nginx_binary=f"{bare.folder}/nginx", nginx_install=True, nginx_service_name="no-such-unit")
    assert done.status == 0, done.output
    assert "The package would be installed" in done.output


def test_a_first_run_serves_blue_and_a_second_changes_nothing(place: Place) -> None:
    assert place.colours() == {"blue": 30}
    before = place.reloads
    again = place.run()
    assert (again.status, again.changed) == (0, 0), again.output
    assert place.reloads == before


@pytest.mark.parametrize(("percent", "idle"), [(0, "green"), (100, "blue"), (30, "green")])
def test_the_preview_reaches_both_colours_whatever_the_split(place: Place, percent: int, idle: str) -> None:
    place.switch(percent)
    assert place.preview(X_Bluegreen_Preview="blue") == (200, "blue")
    assert place.preview(X_Bluegreen_Preview="Green") == (200, "green")
    assert place.preview() == (200, idle)


def test_the_preview_refuses_what_it_does_not_know(place: Place) -> None:
    assert place.preview(X_Bluegreen_Preview="red")[0] == 400
    assert place.preview(X_Bluegreen_Service="blog")[0] == 404


def test_the_public_server_does_not_honour_the_preview_header(place: Place) -> None:
    assert place.colours(X_Bluegreen_Preview="green") == {"blue": 30}


def test_a_new_configuration_moves_no_traffic_and_is_reloaded_once(place: Place) -> None:
    place.switch(100)
    before = place.reloads
    services = [place.service("shop", timeout_read="61s")]
    check = place.run("--check", "--diff", nginx_services=services)
    assert check.status == 0, check.output
    assert "+proxy_read_timeout 61s;" in check.output
    assert place.reloads == before
    done = place.run(nginx_services=services)
    assert done.status == 0, done.output
    assert place.reloads == before + 1
    assert place.colours() == {"green": 30}
    again = place.run(nginx_services=services)
    assert (again.status, again.changed, place.reloads) == (0, 0, before + 1), again.output
    assert place.current() == "w100"


def test_a_configuration_that_nginx_refuses_leaves_the_old_one_in_place(place: Place) -> None:
    place.run()
    before, reloads = files(place.splits) | {"main": place.config.read_text()}, place.reloads
    done = place.run(nginx_services=[place.service("shop", extra=["proxy_nonsense on;"])], nginx_http_extra=["tcp_nopush on;"])
    assert done.status != 0
    assert re.search(r'unknown directive \\*"proxy_nonsense', done.output), done.output
    assert re.search(rf"{place.splits}/(http|shop).conf:[1-9]", done.output), done.output
    assert "the old one stays in force" in done.output
    assert (files(place.splits) | {"main": place.config.read_text()}, place.reloads) == (before, reloads)
    assert not list(place.folder.glob("*.trial"))


def test_a_run_that_died_before_the_reload_is_completed_by_the_next(place: Place) -> None:
    place.switch(30)
    services = [place.service("shop", timeout_read="62s")]
    before = place.reloads
    dead = place.run(nginx_services=services, nginx_reload_command=["/bin/true"], nginx_ready_timeout=1)
    assert dead.status != 0
    assert "did not answer with it within 1 s" in dead.output
    assert "traffic stays where it was: shop 30 % on green" in dead.output
    done = place.run(nginx_services=services)
    assert done.status == 0, done.output
    assert place.reloads == before + 1


def test_a_port_that_another_process_has_is_found_and_said(place: Place) -> None:
    with busy_port() as port:
        services = [place.service("shop", listen=[f"{HOST}:{place.port}", f"{HOST}:{port}"])]
        done = place.run(nginx_services=services, nginx_ready_timeout=4)
        assert done.status != 0
        assert "goes on with the former configuration; traffic stays where it was: shop 0 % on green" in done.output
        assert f"bind() to {HOST}:{port} failed (98: Address already in use)" in done.output
        assert place.colours() == {"blue": 30}
    done = place.run(nginx_services=services)
    assert done.status == 0, done.output
    assert place.colours(port=port) == {"blue": 30}


def test_a_port_that_is_busy_at_the_start_is_said(bare: Place) -> None:
    with busy_port() as port:
        done = bare.run(nginx_services=[bare.service("shop", listen=[f"{HOST}:{port}"])])
    assert done.status != 0
    assert f"bind() to {HOST}:{port} failed (98: Address already in use)" in done.output
    assert "nginx does not run" in done.output


def test_a_new_service_starts_on_blue_and_leaves_the_split_of_the_others(place: Place) -> None:
    place.switch(40)
    shutil.rmtree(place.splits / "shop" / "w100")  # made anew, because the way back must not need space
    services = [place.service("shop"), place.service("blog.main", server_names=["blog.example.com"])]
    done = place.run(nginx_services=services)
    assert done.status == 0, done.output
    assert (place.current(), place.current("blog.main")) == ("w40", "w0")
    assert len(list((place.splits / "shop" / "w100").iterdir())) == 100
    assert place.colours(Host="blog.example.com") == {"blue": 30}
    assert set(place.colours(100)) == {"blue", "green"}


@pytest.mark.parametrize("damage", ["directory", "elsewhere", "dangling", "incomplete"])
def test_a_damaged_split_is_named_and_not_touched(place: Place, damage: str) -> None:
    folder = place.splits / "shop"
    link = folder / "current"
    place.switch(100)
    if damage == "incomplete":
        (folder / "w100" / "7").unlink()
    else:
        link.unlink()
    if damage == "directory":
        link.mkdir()
    elif damage in ("elsewhere", "dangling"):
        link.symlink_to({"elsewhere": "/tmp", "dangling": "w99"}[damage])
    before = files(place.splits)
    try:
        done = place.run()
    finally:
        after = files(place.splits)
        if damage == "directory":
            link.rmdir()
        place.switch(100)
    assert done.status != 0
    expected = {
        "directory": f"{link} is no symbolic link",
        "elsewhere": f"{link} leads to '/tmp'",
        "dangling": f"{folder}/w99 does not exist. {link} leads there",
        "incomplete": f"{folder}/w100 is without 7",
    }
    assert expected[damage] in done.output
    assert after == before


def test_everything_that_can_not_be_routed_is_named_at_once(bare: Place) -> None:
    hosts: dict[str, Any] = {"blue": {"a": {}, "b": {}}, "green": {"b": {}}, "red": {}, "c": {"a": {}}}
    hosts["d"] = {"e": {"bluegreen_address": "a"}}
    services = [
        bare.service("shop", sticky="cookie"),
        bare.service("shop", green_group="red"),
        bare.service("blog", green_group="nowhere"),
        bare.service("a b", blue_group="c", green_group="d"),
        bare.service("http", listen=["1"]),
        bare.service("my-shop", listen=["2 ssl"], server_names=["A"]),
        bare.service("my.shop", listen=["2"], server_names=["a"]),
    ]
    done = bare.run(hosts=hosts, nginx_services=services, nginx_preview_bind="", nginx_start_command=[])
    assert done.status != 0
    for message in (
        "service shop: b in both blue and green",
        "service shop: the inventory group red has no hosts",
        "service blog: the inventory group nowhere has no hosts",
        "service a b: hosts of c and of d have the address a:8080",
        "may have letters, digits",
        "the service name shop is used twice",
        "the service name http is the name of the role's own file",
        "service shop: sticky is 'cookie', so sticky_cookie must name",
        f"services shop and blog share the address {HOST}:{bare.port}; expected different server_names",
        "services my-shop and my.shop share the address 2 and the name a",
        "nginx_preview_bind is",
        "so nginx_start_command and nginx_reload_command must say",
    ):
        assert message in done.output, (message, done.output)
    assert sorted(path.name for path in bare.folder.iterdir()) == ["run", "temp"]


def test_services_share_an_address_and_keep_their_own_split(bare: Place) -> None:
    done = bare.run(
        nginx_services=[
            bare.service("shop", server_names=["Shop.example.com"], sticky="cookie", sticky_cookie="sid"),
            bare.service("blog.main", server_names=["blog.example.com"]),
        ],
        nginx_preview_networks=["127.0.0.0/8"],
    )
    assert done.status == 0, done.output
    bare.switch(100, "blog.main")
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
    temporary = "\n    ".join(line.format(folder=bare.folder) for line in TEMPORARY)
    (bare.folder / "sites").mkdir()
    bare.config.write_text(USERS_CONFIG.format(user=getpass.getuser(), folder=bare.folder, temporary=temporary))
    (bare.folder / "sites" / "www").write_text(USERS_SITE.format(host=HOST, port=bare.port))
    bare.start()
    wait_until(lambda: bare.get()[2] == "old", "the old configuration")
    bare.variables |= {"nginx_mode": "adopt"}
    return bare


def add_line(place: Place, name: str) -> None:
    """What the user does by hand: one include line."""
    line = f"include {place.splits}/{name}.conf;"
    if name == "http":
        place.config.write_text(place.config.read_text().replace("include sites", f"{line}\n    include sites"))
    else:
        site = place.folder / "sites" / "www"
        site.write_text(site.read_text().replace('return 200 "old";', line))


@pytest.mark.parametrize("present", [[], ["http"], ["shop"]])
def test_an_adopted_configuration_that_lacks_a_line_is_told_which_and_where(adopted: Place, present: list[str]) -> None:
    for name in present:
        add_line(adopted, name)
    before = files(adopted.folder / "sites") | {"main": adopted.config.read_text()}
    done = adopted.run()
    assert done.status != 0
    where = {"http": "in the section 'http { }'", "shop": "in the 'location { }' that the service shop answers"}
    for name in ("http", "shop"):
        message = f"the line 'include {adopted.splits}/{name}.conf;' {where[name]}"
        assert (message in done.output) == (name not in present), done.output
    assert files(adopted.folder / "sites") | {"main": adopted.config.read_text()} == before
    assert (adopted.get()[2], adopted.reloads) == ("old", 0)


def test_an_adopted_configuration_divides_its_traffic_and_keeps_its_own_rules(adopted: Place) -> None:
    add_line(adopted, "http")
    add_line(adopted, "shop")
    mine = files(adopted.folder / "sites") | {"main": adopted.config.read_text()}
    check = adopted.run("--check", "--diff")
    assert check.status == 0, check.output
    assert not adopted.splits.exists()
    done = adopted.run()
    assert done.status == 0, done.output
    assert adopted.colours() == {"blue": 30}
    assert adopted.get("/static/x")[2] == "static"
    adopted.switch(100)
    again = adopted.run(nginx_services=[adopted.service("shop", timeout_read="61s")])
    assert again.status == 0, again.output
    assert adopted.reloads == 2
    assert adopted.colours() == {"green": 30}
    last = adopted.run(nginx_services=[adopted.service("shop", timeout_read="61s")])
    assert (last.status, last.changed, adopted.reloads) == (0, 0, 2), last.output
    assert files(adopted.folder / "sites") | {"main": adopted.config.read_text()} == mine


def test_an_adopted_location_with_a_line_of_its_own_that_clashes_is_refused(adopted: Place) -> None:
    add_line(adopted, "http")
    add_line(adopted, "shop")
    site = adopted.folder / "sites" / "www"
    site.write_text(site.read_text().replace("location / {", "location / {\n        proxy_buffering off;"))
    done = adopted.run()
    assert done.status != 0
    assert re.search(r'"proxy_buffering\\*" directive is duplicate', done.output), done.output
    assert f"{adopted.splits}/shop.conf:" in done.output
    assert files(adopted.splits) == {path: "" if "/w100/" in path else text for path, text in files(adopted.splits).items()}
    assert not (adopted.splits / "http.conf").exists()
    assert (adopted.get()[2], adopted.reloads) == ("old", 0)


def test_workers_that_can_not_see_the_splits_are_found(bare: Place) -> None:
    done = bare.run(nginx_user="www-data")
    assert done.status != 0
    assert f"can not see the splits of shop in {bare.splits}" in done.output
    assert f"Closed to them: {bare.folder} (chmod o+x lets them in)" in done.output


def test_members_of_the_group_may_switch_and_nobody_else() -> None:
    nobody, member, stranger = pwd.getpwnam("nobody"), grp.getgrnam("games"), grp.getgrnam("nogroup")
    owned = {
        "nginx_admin_group": member.gr_name,
        "breakglass_group": member.gr_name,
        "breakglass_interpreter": "/usr/bin/python3",
    }
    with Site(routers=("nginx",)) as site:
        site.first.overrides |= owned
        site.folder.chmod(0o755)
        site.release("v1")
        done = site.play("bootstrap", bluegreen_release="v1")
        assert done.status == 0, done.output
        assert site.answer() == ("blue", "v1")
        splits = site.folder / "nginx" / "bluegreen"

        def switch(group: int) -> subprocess.CompletedProcess[str]:
            words = [str(site.command), "switch", "shop", "green=30", "--force", "--config", str(site.first.config)]
            ids: dict[str, Any] = {"user": nobody.pw_uid, "group": group, "extra_groups": []}
            return subprocess.run(words, capture_output=True, text=True, check=False, cwd="/", **ids)

        # Around the command, which a stranger may not even read.
        ids: dict[str, Any] = {"user": nobody.pw_uid, "group": stranger.gr_gid, "extra_groups": []}
        assert subprocess.run(["ln", "-s", "w100", splits / "shop" / "mine"], check=False, cwd="/", **ids).returncode != 0
        with pytest.raises(PermissionError):
            switch(stranger.gr_gid)
        assert os.readlink(splits / "shop" / "current") == "w0"
        switched = switch(member.gr_gid)
        assert switched.returncode == 0, switched.stdout + switched.stderr
        assert os.readlink(splits / "shop" / "current") == "w30"
        again = site.play("bootstrap", bluegreen_release="v1")
        assert (again.status, again.changed) == (0, 0), again.output
        # Who may switch may not change the configuration, which root reads.
        for path in (splits, *splits.glob("*.conf"), *splits.glob("*.json")):
            assert (path.stat().st_uid, path.stat().st_mode & 0o022) == (os.getuid(), 0), path


def test_the_role_puts_things_where_the_modules_look_for_them() -> None:
    text = (REPOSITORY / "roles" / "nginx" / "defaults" / "main.yml").read_text(encoding="utf-8")
    role = yaml.safe_load(text)
    names = {"directory": "directory", "state_dir": "state_dir", "preview_bind": "preview", "pid_file": "pid_file"}
    assert {option: role[f"nginx_{name}"] for name, option in names.items()} == {
        option: SPEC[option]["default"] for option in names.values()
    }
