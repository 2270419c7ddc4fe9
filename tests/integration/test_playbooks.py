# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks as people run them, on one site with two hosts of each colour, judged by what its clients get.

The tests share the site and follow its life: what is there before the first release, releases and rollbacks, the retired
colour. Each one first brings the site to where it begins, so that it can also run alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.load import LoadProcess, Profile
from tests.support.net import HOST, REPOSITORY, free_port, wait_until
from tests.support.site import COLOURS, Done, Site

VERSIONS = ("v1", "v2", "v3")
QUICK = {"bake_seconds": 1, "bake_interval": 0.5, "bake_max_latency_ms": 10_000, "verify_interval": 0.1}
PACED = ("keepalive", "new", "post", "session")
LEFTOVERS = (  # what work in a checkout leaves there, and nobody wants to install
    ".git/config",
    ".venv/pyvenv.cfg",
    "build/bench.json",
    "turnout-bluegreen-0.0.1.tar.gz",
    *(f"{folder}{cache}/x" for folder in ("", "tests/unit/") for cache in (".hypothesis", ".mypy_cache", ".pytest_cache")),
    "plugins/modules/__pycache__/fence.cpython-311.pyc",
)
UNWANTED = re.compile(
    r"(^|/)(\.git|\.venv|\.hypothesis|\.\w+_cache|__pycache__)(/|$)|\.pyc$|^build/|^playbooks/collections|\.tar\.gz$"
)


class Playground(Site):
    """A site whose playbooks can also run in the background, and with another inventory."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "ANSIBLE_PIPELINING": "1"}

    @property
    def truth(self) -> tuple[bytes, bytes]:
        """What is on disk about the traffic: journal and map."""
        return (self.folder / "state" / "shop.json").read_bytes(), (self.folder / "haproxy" / "split.map").read_bytes()

    @property
    def zipapp(self) -> Path:
        return self.command.resolve()

    def pids(self) -> dict[str, int]:
        """The process of each application that runs."""
        found = {}
        for name, port in self.app_ports.items():
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{HOST}:{port}/", timeout=5) as answer:
                found[name] = json.load(answer)["pid"]
        return found

    @contextlib.contextmanager
    def inventory_with(self, edit: Callable[[dict[str, Any]], None]) -> Iterator[None]:
        """Another inventory for a while; ``edit`` gets the groups as plain data."""
        everything = json.loads(self.inventory.read_text(encoding="utf-8"))
        edit(everything["all"]["children"])
        mine, self.inventory = self.inventory, self.folder / "other-inventory.json"
        self.inventory.write_text(json.dumps(everything), encoding="utf-8")
        try:
            yield
        finally:
            self.inventory = mine

    @contextlib.contextmanager
    def without_command(self) -> Iterator[None]:
        """The router has no turnout command for a while."""
        zipapp = self.zipapp
        aside = zipapp.rename(zipapp.with_suffix(".aside"))
        try:
            yield
        finally:
            aside.rename(zipapp)


class Running:
    """A playbook in the background; what is left of it ends with the block."""

    def __init__(self, site: Site, playbook: str, *arguments: str, **extra: Any) -> None:
        self.began = time.monotonic()
        self.process = site.popen(playbook, *arguments, **extra)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    def wait(self) -> Done:
        status = self.process.wait()
        self._reader.join()
        return Done(status, "".join(self.lines), time.monotonic() - self.began)

    def alive(self) -> bool:
        return self.process.poll() is None

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_failure: object) -> None:
        if self.alive():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()


def holder(site: Site) -> str | None:
    """Id of the run that holds the service."""
    lease = site.journal["lease"]
    return lease["run"] if lease else None


def edit_host(name: str, **variables: Any) -> Callable[[dict[str, Any]], None]:
    """An edit of the inventory: more variables for one host, or for all hosts of a colour."""

    def edit(groups: dict[str, Any]) -> None:
        for colour, names in COLOURS.items():
            for host in names:
                if name in (host, colour):
                    groups[colour]["hosts"][host].update(variables)

    return edit


def unreachable() -> dict[str, Any]:
    """The connection to a host that is down."""
    return {"ansible_connection": "ssh", "ansible_host": HOST, "ansible_port": free_port(), "ansible_ssh_retries": 0}


@pytest.fixture(scope="module")
def site() -> Iterator[Playground]:
    """Bootstrapped with v1; the clients of all tests go through its one router."""
    playground = Playground(variables=QUICK)
    with playground:
        for version in VERSIONS:
            playground.release(version)
        playground.good("bootstrap", bluegreen_release="v1")
        yield playground


@pytest.fixture
def load(site: Site) -> Iterator[LoadProcess]:
    """Clients of every kind for the length of the test; none of their requests may be lost."""
    with LoadProcess(Profile(site.port, rate=60, longest=2)) as clients:
        yield clients
    assert clients.summary.requests > 0
    assert clients.summary.lost == 0, clients.summary.losses


@pytest.fixture
def untouched(site: Playground) -> Iterator[None]:
    """The test must leave traffic, journal and map as they are, and nobody in possession of the service."""
    before, answer = site.truth, site.answer()
    yield
    assert site.truth == before
    assert site.answer() == answer


@pytest.fixture
def new(site: Playground) -> None:
    """There has been no release since the bootstrap."""
    if site.journal["phase"] not in ("idle", "abandoned"):
        pytest.skip("the site is not new any more: it belongs to the tests above")
    assert site.answer() == ("blue", "v1")


@pytest.fixture
def released(site: Playground) -> None:
    """v2 is stable on green, the rollback window of v1 on blue is open."""
    journal = site.journal
    if (journal["stable"], journal["rollback_to"], journal["candidate"]) != ("green", "blue", None):
        at_rest_on_v1(site)
        site.good("release", bluegreen_release="v2")
    assert site.answer() == ("green", "v2")


@pytest.fixture
def rolled_back(site: Playground) -> None:
    """All traffic is on v1 again, and v2 is on green."""
    if "green" not in site.journal["releases"]:
        site.good("release", bluegreen_release="v2")
    at_rest_on_v1(site)


def at_rest_on_v1(site: Playground) -> None:
    if site.answer()[0] != "blue" or site.journal["candidate"] or site.journal["rollback_to"]:
        site.good("rollback", bluegreen_to="blue")
    assert site.answer() == ("blue", "v1")


# -- before the first release


@pytest.mark.usefixtures("new", "untouched")
def test_there_is_no_way_back_from_the_first_release(site: Playground) -> None:
    output = site.bad("rollback")
    assert "nothing to roll back to: all traffic is on blue" in output
    assert "there has been no release" in output
    assert "way back: none" in site.good("status").output


@pytest.mark.usefixtures("new", "untouched")
def test_check_mode_tells_the_release_and_does_nothing(site: Playground) -> None:
    before = site.pids()
    done = site.good("release", "--check", "--diff", bluegreen_release="v2")
    output = done.flat
    assert "v1 is stable on blue; v2 goes to green (green1, green2), epoch 1" in output
    assert "traffic goes from 100% blue to 100% green" in output
    assert done.changed > 0
    assert '- "in_force": "100% blue",' in output
    assert '+ "in_force": "100% green",' in output
    assert [list((site.folder / "hosts" / host).iterdir()) for host in COLOURS["green"]] == [[], []]
    assert site.pids() == before
    assert set(before) == set(COLOURS["blue"])


# -- bad input


def both_colours(groups: dict[str, Any]) -> None:
    groups["blue"]["hosts"]["green1"] = groups["green"]["hosts"]["green1"]


def no_green(groups: dict[str, Any]) -> None:
    groups["green"]["hosts"] = {}


def unknown_kind(groups: dict[str, Any]) -> None:
    groups["routers"]["vars"]["bluegreen_router"] = "hapoxy"


def unknown_option(groups: dict[str, Any]) -> None:
    groups["routers"]["vars"]["bluegreen_router_options"]["map_fiel"] = "/tmp/map"


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (both_colours, ("green1 is in both", "Correct the inventory", "traffic is untouched")),
        (no_green, ("green (no hosts)", "must both have hosts", "traffic is untouched")),
        (unknown_kind, ("router1: bluegreen_router is 'hapoxy', expected one of haproxy", "traffic is untouched")),
        (unknown_option, ("router1: bluegreen_router_options has map_fiel", "map_file", "traffic is untouched")),
    ],
)
def test_a_wrong_inventory_stops_the_release(
    site: Playground, edit: Callable[[dict[str, Any]], None], words: tuple[str, ...]
) -> None:
    with site.inventory_with(edit):
        output = site.bad("release", bluegreen_release="v2")
    assert [word for word in words if word not in output] == [], output


@pytest.mark.usefixtures("untouched")
def test_a_release_needs_a_name(site: Playground) -> None:
    assert "which release? Name it, for example -e bluegreen_release=v2" in site.bad("release")


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("steps", [[50, 10], [50], [0, 100]])
def test_steps_that_are_none_are_refused_before_anything_is_claimed(site: Playground, steps: list[int]) -> None:
    output = site.bad("release", bluegreen_release="v2", cutover_steps=steps)
    assert f"the steps of the strategy steps are {steps}: expected growing percents that end with 100" in output
    assert "Deploy" not in output


@pytest.mark.usefixtures("new", "load")
@pytest.mark.parametrize(
    ("extra", "edit", "words"),
    [
        pytest.param(
            {"deploy_checksum": "sha256:" + "0" * 64}, None, ("has the checksum", "expected sha256:000"), id="wrong-checksum"
        ),
        pytest.param(
            {"preflight_connection_timeout": 1},
            edit_host("green2", **unreachable()),
            ("green2: shop", "Wait until the host can be reached", "Connection refused", "green1: shop", "Another host failed"),
            id="host-down",
        ),
    ],
)
def test_what_goes_wrong_before_the_cutover_leaves_traffic_alone(
    site: Playground, extra: dict[str, Any], edit: Callable[[dict[str, Any]], None] | None, words: tuple[str, ...]
) -> None:
    with site.inventory_with(edit or (lambda _groups: None)):
        output = site.bad("release", bluegreen_release="v2", **extra)
    assert "the release was stopped before the cutover" in output
    assert "Traffic is untouched: all of it is on blue" in output
    assert [word for word in words if word not in output] == [], output
    assert site.answer() == ("blue", "v1")
    journal = site.journal
    assert (journal["phase"], journal["candidate"], journal["lease"]) == ("abandoned", None, None)


# -- the first release


def test_the_first_release_in_steps(site: Playground) -> None:
    """It is also the release after those that were stopped: it needs no cleaning by hand."""
    at_rest_on_v1(site)
    switched: list[float] = []

    def show(line: str) -> None:
        if "traffic goes from" in line:
            switched.append(time.monotonic())

    bake = 3
    with LoadProcess(Profile(site.port, rate=150, longest=2)) as load:
        asked = {"bluegreen_release": "v2", "cutover_steps": [10, 50, 100], "cutover_probe_requests": 40}
        done = site.play("release", show=show, **asked, bake_seconds=bake)
    assert done.status == 0, done.output
    seen = load.summary
    assert seen.lost == 0, seen.losses
    assert len(switched) == 3
    first = seen.first("green")
    assert first is not None
    percents = [
        100 * sum(answer.colour == "green" for answer in answers) / len(answers)
        for answers in ([a for a in seen.between(at, at + bake) if a.kind in PACED] for at in switched)
    ]
    assert 2 < percents[0] < 25, percents
    assert 33 < percents[1] < 67, percents
    assert percents[2] == 100, percents
    assert set(seen.versions(switched[2])) - {""} == {"v2"}
    journal = site.journal
    assert (journal["stable"], journal["rollback_to"], journal["phase"]) == ("green", "blue", "settled")
    assert journal["releases"] == {"blue": "v1", "green": "v2"}


@pytest.mark.usefixtures("released", "untouched")
@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=["again", "check"])
def test_the_same_release_again_changes_nothing(site: Playground, arguments: tuple[str, ...]) -> None:
    before = site.pids()
    done = site.good("release", *arguments, bluegreen_release="v2")
    assert "nothing to do: v2 is live on green already" in done.flat
    assert done.changed == 0, done.output
    assert site.pids() == before


@pytest.mark.usefixtures("released", "untouched", "load")
def test_bootstrap_never_moves_traffic(site: Playground) -> None:
    """The live colour is not the one that the bootstrap began with, and it names a release that is not live."""
    before = site.pids()
    done = site.good("bootstrap", bluegreen_release="v1")
    assert done.changed == 0, done.output
    assert site.pids() == before
    assert set(before) == set(site.app_ports)


@pytest.mark.usefixtures("released", "untouched")
def test_the_status_of_a_released_service(site: Playground) -> None:
    done = site.good("status", "-v")
    lines = re.findall(r'^ +"(.*)",?$', done.output, re.MULTILINE)
    assert lines[0] == "shop on router1: 100% green"
    assert lines[1].startswith("  blue  v1: 2 of 2 healthy")
    assert lines[2].startswith("  green v2: 2 of 2 healthy")
    assert lines[3].startswith("  stable green, phase settled, epoch ")
    assert lines[4:6] == ["  held by nobody", "  way back: blue (v1), at once: turnout rollback shop"]
    assert '"msg": "shop: traffic is 100% green"' in done.output
    assert ways(done) == {"zipapp"}
    assert done.changed == 0


@pytest.mark.usefixtures("released", "untouched")
def test_the_rollback_window_keeps_the_old_colour(site: Playground) -> None:
    """Neither retire.yml nor a release may take the way back away."""
    for playbook, extra in (("retire", {}), ("release", {"bluegreen_release": "v3"})):
        output = site.bad(playbook, **extra)
        assert re.search(r"blue holds v1 as the way back until \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ \(\d+ s more\)", output), output
        assert "bluegreen_end_window=true" in output
    assert set(site.pids()) == set(site.app_ports)


# -- the collection as it is installed


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection, built from a copy of the checkout in which work has left its traces."""
    copy = tmp_path_factory.mktemp("checkout") / "bluegreen"
    large = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".*_cache", ".hypothesis", "*.tar.gz")
    shutil.copytree(REPOSITORY, copy, symlinks=True, ignore=large)
    for name in LEFTOVERS:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(b"")
    output = tmp_path_factory.mktemp("tarball")
    command = ["ansible-galaxy", "collection", "build", "--output-path", str(output)]
    built = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return next(output.iterdir())


def members(tarball: Path) -> set[str]:
    with tarfile.open(tarball) as archive:
        return {member.name for member in archive if not member.isdir()}


class Installed:
    """The collection in a folder of its own, and an empty directory to run it from."""

    def __init__(self, tarball: Path, folder: Path) -> None:
        self.collections, self.empty = folder / "collections", folder / "empty"
        self.empty.mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_NOCOLOR": "1",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
        }
        done = self.run("ansible-galaxy", "collection", "install", str(tarball), "-p", str(self.collections), "--offline")
        assert done.status == 0, done.output

    def run(self, *command: str) -> Done:
        began = time.monotonic()
        done = subprocess.run(
            command, cwd=self.empty, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        return Done(done.returncode, done.stdout + done.stderr, time.monotonic() - began)

    def play(self, site: Site, name: str, *arguments: str, **extra: Any) -> Done:
        words = ["-i", str(site.inventory), *arguments, "-e", json.dumps(extra)]
        done = self.run("ansible-playbook", f"turnout.bluegreen.{name}", *words)
        assert done.status == 0, done.output
        return done


@pytest.fixture(scope="module")
def installed(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tarball, tmp_path_factory.mktemp("installed"))


def test_the_tarball_has_what_belongs_to_the_collection(tarball: Path) -> None:
    found = members(tarball)
    assert {"MANIFEST.json", "COPYING", "meta/runtime.yml", "plugins/action/traffic.py", "playbooks/release.yml"} <= found
    assert found & {*LEFTOVERS} == set()
    assert [name for name in found if UNWANTED.search(name)] == []


def test_every_module_is_documented_in_the_installed_collection(tarball: Path, installed: Installed) -> None:
    modules = sorted(Path(name).stem for name in members(tarball) if re.fullmatch(r"plugins/modules/\w+\.py", name))
    assert {"traffic", "haproxy_traffic", "health_poll"} <= set(modules)
    done = installed.run("ansible-doc", "--json", *(f"turnout.bluegreen.{name}" for name in modules))
    assert done.status == 0, done.output
    described = json.loads(done.output.partition("\n[")[0])
    assert sorted(described) == [f"turnout.bluegreen.{name}" for name in modules]
    for name, parts in described.items():
        assert parts["doc"]["filename"].startswith(str(installed.collections)), name
        assert parts["examples"], name
        assert parts["return"], name


@pytest.mark.usefixtures("released", "load")
def test_the_installed_collection_works_from_an_empty_directory(site: Playground, installed: Installed) -> None:
    assert "stable green" in installed.play(site, "status").output
    before = site.truth
    done = installed.play(site, "release", "--check", bluegreen_release="v3", bluegreen_end_window=True)
    assert "traffic goes from 100% green to 100% blue" in done.flat
    assert f"included: {installed.collections}/ansible_collections/turnout/bluegreen/roles/plan/" in done.output
    assert site.truth == before
    assert "back to 100% blue" in installed.play(site, "rollback").flat
    assert site.answer() == ("blue", "v1")
    assert list(installed.empty.iterdir()) == []


# -- rollback


def ways(done: Done) -> set[str]:
    """How the routers were spoken to, from the output of a run with -v."""
    return set(re.findall(r'"via": "(\w+)"', done.output))


@pytest.mark.usefixtures("rolled_back", "untouched")
def test_a_second_rollback_changes_nothing(site: Playground) -> None:
    done = site.good("rollback")
    assert "nothing to do: all traffic is on blue already" in done.flat
    assert done.changed == 0


@pytest.mark.usefixtures("rolled_back", "load")
def test_rollback_needs_nothing_but_the_routers_and_goes_where_it_is_told(site: Playground) -> None:
    def all_down(groups: dict[str, Any]) -> None:
        for colour in COLOURS:
            edit_host(colour, **unreachable())(groups)

    with site.inventory_with(all_down):
        done = site.good("rollback", "-v", bluegreen_to="green")
    assert site.answer() == ("green", "v2")
    assert ways(done) == {"zipapp"}
    with site.without_command():
        done = site.good("rollback", "-v", bluegreen_to="blue")
    assert site.answer() == ("blue", "v1")
    assert ways(done) == {"module"}
    assert "router1: traffic goes from 100% green back to 100% blue" in done.flat


@pytest.mark.usefixtures("rolled_back", "load")
def test_a_split_that_clients_do_not_see_is_taken_back(site: Playground) -> None:
    """The preview way answers with one colour alone, which half of the traffic would not."""
    preview = f"http://{HOST}:{site.first.preview_port}/"
    asked = {"bluegreen_release": "v2", "cutover_steps": [50, 100], "cutover_confirm_url": preview, "cutover_probe_requests": 25}
    output = site.bad("release", **asked)
    assert "See as a client that it is the split" in output
    assert re.search(r"green gave 100% of 25 answers, asked for 50%: contradicted", output), output
    assert "The release was rolled back. Traffic now: {'blue': 100, 'green': 0}" in output
    assert site.answer() == ("blue", "v1")


# -- two runs at once


@pytest.mark.usefixtures("rolled_back", "load")
def test_a_second_release_is_refused_and_a_rollback_wins(site: Playground) -> None:
    with Running(site, "release", bluegreen_release="v2", bake_seconds=20) as release:
        wait_until(lambda: holder(site), "the release holds the service", timeout=120)
        output = site.bad("release", bluegreen_release="v3")
        assert re.search(r"release v2 is under way: \S+@\S+ holds the service for \d+ s more", output), output
        assert "Traffic now: 100% " in output
        status = site.good("status").flat
        assert "releasing v2 to green" in status
        assert re.search(r"held by \S+@\S+ for \d+ s more", status), status
        wait_until(lambda: site.answer() == ("green", "v2"), "traffic is on green", timeout=120)
        assert release.alive()

        site.good("rollback")
        assert site.answer() == ("blue", "v1")
        before = site.truth
        assert release.alive()
        done = release.wait()
    assert done.status != 0
    assert "is over: epoch" in done.flat, done.output
    assert "this run must not act any more" in done.flat
    assert "the release was rolled back" not in done.flat  # it was, and not by this run
    assert site.truth == before
    assert site.answer() == ("blue", "v1")


@pytest.mark.usefixtures("rolled_back", "load")
def test_a_release_takes_over_from_one_that_was_killed(site: Playground) -> None:
    with Running(site, "release", bluegreen_release="v2") as killed:
        wait_until(lambda: holder(site), "the release holds the service", timeout=120)
        run = holder(site)
        killed.process.kill()
        killed.process.wait()
    assert holder(site) == run
    done = site.good("release", bluegreen_release="v2")
    assert "router1: the run that holds shop is dead: taking over" in done.flat
    assert site.answer() == ("green", "v2")
    assert holder(site) is None


# -- other ways to deploy, and the end of a colour

CUSTOM = """\
- name: Unpack the release that was asked for
  ansible.builtin.unarchive:
    src: "{{ deploy_archive }}"
    dest: "{{ deploy_root }}/mine"

- name: Note what was asked for
  ansible.builtin.copy:
    content: "{{ deploy_service }} {{ deploy_release }} {{ deploy_colour }}"
    dest: "{{ deploy_root }}/asked"
    mode: "0644"

- name: Run it
  ansible.builtin.command:
    argv: "{{ deploy_restart_command }}"
    chdir: "{{ deploy_root }}/mine"
  changed_when: true
"""


@pytest.mark.usefixtures("released", "load")
def test_a_deployer_of_ones_own_and_no_command_on_the_router(site: Playground) -> None:
    """The window of v1 is given up for it. Everything goes the slow way, through the module."""
    tasks = site.folder / "custom.yml"
    tasks.write_text(CUSTOM, encoding="utf-8")
    for host in COLOURS["blue"]:
        root = site.folder / "hosts" / host
        (root / "mine").mkdir(exist_ok=True)
        (root / "current").unlink()
        (root / "current").symlink_to("mine")
    with site.without_command():
        done = site.good(
            "release", "-v", bluegreen_release="v3", bluegreen_end_window=True, deploy_method="custom", deploy_tasks=str(tasks)
        )
    assert ways(done) == {"module"}
    assert "the turnout command is absent or of another version" in done.flat
    assert site.answer() == ("blue", "v3")
    asked = {(site.folder / "hosts" / host / "asked").read_text(encoding="utf-8") for host in COLOURS["blue"]}
    assert asked == {"shop v3 blue"}
    assert site.journal["rollback_to"] == "green"


@pytest.mark.usefixtures("load")
def test_a_retired_colour_is_stopped_and_is_no_way_back(site: Playground) -> None:
    journal = site.journal
    if journal["rollback_to"] is None:
        site.good("release", bluegreen_release="v2" if journal["stable"] == "blue" else "v1")
    old = site.journal["rollback_to"]
    live = site.journal["stable"]
    answer, before = site.answer(), site.pids()
    done = site.good("retire", bluegreen_end_window=True)
    assert f"{old} is retired" in done.flat
    assert site.pids() == {host: before[host] for host in COLOURS[live]}
    assert site.answer() == answer

    done = site.good("retire")
    assert done.changed == 0, done.output
    output = site.bad("rollback")
    assert f"nothing to roll back to: all traffic is on {live}, which is stable, and the old colour is retired" in output
    assert site.answer() == answer
    assert "way back: none" in site.good("status").output

    claimed = site.journal["epoch"] + 1
    for host in COLOURS[old]:
        fence = site.folder / "hosts" / host / "fence.json"
        fence.write_text(json.dumps({"epoch": claimed, "release": "v9"}), encoding="utf-8")
    output = site.bad("retire")
    assert f"epoch {claimed} (release v9) has worked on this host" in output
