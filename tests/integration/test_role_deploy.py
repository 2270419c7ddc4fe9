# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role deploy with real archives on this machine: what is on the host, and what was started, after any run."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.play import play
from tests.support.site import Done


class Host:
    """A private deploy_root; the service is a command that notes every start in a log."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root, self.log = folder, folder / "shop", folder / "log"
        self.log.write_text("")
        self.variables: dict[str, Any] = {
            "bluegreen_service": "shop",
            "deploy_root": str(self.root),
            "deploy_archive": f"{folder}/shop-{{{{ deploy_release }}}}.tar.gz",
            "deploy_service_manager": "command",
            "deploy_restart_command": self.note("start $MODE $(cat version)"),
            "deploy_stop_command": self.note("stop"),
            "deploy_environment": {"MODE": "fast"},
        }

    def note(self, text: str) -> list[str]:
        return ["/bin/sh", "-c", f"echo {text} >> {self.log}"]

    def archive(self, release: str, members: Mapping[str, bytes] | None = None) -> str:
        """Pack a release; returns its checksum as the role wants it."""
        path = self.folder / f"shop-{release}.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for name, content in (members or {"version": release.encode()}).items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"

    def run(self, release: str, *arguments: str, entry: str = "main", **extra: Any) -> Done:
        role = {"name": "turnout.bluegreen.deploy", "tasks_from": entry}
        tasks = [{"name": "Deploy", "ansible.builtin.include_role": role}]
        inventory: dict[str, Any] = {"all": {"hosts": {"app1": {}}}}
        variables = self.variables | {"bluegreen_release": release} | extra
        return play(self.folder / "run", inventory, "app1", tasks, *arguments, **variables)

    def release(self, release: str, **extra: Any) -> Done:
        """Pack it if need be, and deploy it."""
        path = self.folder / f"shop-{release}.tar.gz"
        if not path.exists():
            self.archive(release)
        checksum = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
        return self.run(release, deploy_checksum=checksum, **extra)

    @property
    def current(self) -> str:
        return (self.root / "current" / "version").read_text()

    @property
    def started(self) -> list[str]:
        return self.log.read_text().splitlines()

    @property
    def releases(self) -> set[str]:
        return {path.name for path in (self.root / "releases").iterdir()}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def ok(done: Done) -> Done:
    assert done.status == 0, done.output
    return done


def refused(done: Done, *messages: str) -> None:
    assert done.status != 0, done.output
    for message in messages:
        assert message in done.output, done.output


def test_check_mode_on_a_bare_host_changes_nothing(host: Host) -> None:
    checksum = host.archive("v1")
    done = ok(host.run("v1", "--check", "--diff", deploy_checksum=checksum, bluegreen_epoch=1))
    assert done.changed > 0
    assert "The release would be unpacked" in done.output
    assert not host.root.exists()
    assert host.started == []


def test_a_release_is_started_once_and_a_second_run_changes_nothing(host: Host) -> None:
    ok(host.release("v1", bluegreen_epoch=1))
    assert host.current == "v1"
    again = ok(host.release("v1", bluegreen_epoch=1))
    assert again.changed == 0, again.output
    (host.folder / "shop-v1.tar.gz").unlink()
    assert ok(host.run("v1", deploy_checksum_required=False, bluegreen_epoch=1)).changed == 0
    assert host.started == ["start fast v1"]


def test_a_new_environment_restarts_the_same_release(host: Host) -> None:
    ok(host.release("v1"))
    ok(host.release("v1", deploy_environment={"MODE": "slow"}))
    assert host.started == ["start fast v1", "start slow v1"]


def test_old_releases_go_and_the_previous_one_stays(host: Host) -> None:
    for age, release in enumerate(["v3", "v2", "v1"], 1):
        marker = host.root / "releases" / release / ".turnout-release.json"
        marker.parent.mkdir(parents=True)
        (marker.parent / "version").write_text(release)
        marker.write_text(json.dumps({"release": release, "checksum": ""}))
        os.utime(marker, (10**9 - age, 10**9 - age))
    (host.root / "current").symlink_to("releases/v3")
    ok(host.release("v4"))
    assert host.releases == {"v2", "v3", "v4"}
    assert (host.root / "previous" / "version").read_text() == "v3"
    ok(host.release("v2", deploy_keep=1))
    assert host.releases == {"v2", "v4"}
    assert (host.root / "previous" / "version").read_text() == "v4"
    assert ok(host.release("v2", deploy_keep=1)).changed == 0


def test_an_interrupted_unpack_and_a_half_removed_release_do_not_count(host: Host) -> None:
    ok(host.release("v1"))
    for leftover in (".incoming-v2/tree", "v2", ".removed-v0", ".incoming-v9/tree"):
        (host.root / "releases" / leftover).mkdir(parents=True)
        (host.root / "releases" / leftover / "version").write_text("half")
    ok(host.release("v2"))
    assert host.current == "v2"
    assert host.releases == {"v1", "v2"}


def test_a_run_that_died_before_the_restart_is_completed_by_the_next(host: Host) -> None:
    ok(host.release("v1"))
    refused(host.release("v2", deploy_restart_command=["/bin/false"]))
    assert host.current == "v2"
    assert host.started == ["start fast v1"]
    ok(host.release("v2"))
    assert host.started == ["start fast v1", "start fast v2"]
    assert ok(host.release("v2")).changed == 0


def test_a_wrong_checksum_copies_nothing(host: Host) -> None:
    ok(host.release("v1"))
    host.archive("v2")
    refused(host.run("v2", deploy_checksum="sha256:" + "0" * 64), "expected sha256:000000", "Nothing was copied")
    assert host.releases == {"v1"}


def test_an_archive_that_is_missing_leaves_what_ran(host: Host) -> None:
    ok(host.release("v1"))
    refused(host.run("v2", deploy_checksum="sha256:" + "0" * 64), f"{host.folder}/shop-v2.tar.gz")
    assert host.current == "v1"
    assert host.started == ["start fast v1"]


def test_a_download_with_a_wrong_checksum_is_no_release(host: Host) -> None:
    ok(host.release("v1"))
    host.archive("v2")
    url = f"file://{host.folder}/shop-v2.tar.gz"
    refused(host.run("v2", deploy_archive=url, deploy_checksum="sha256:" + "0" * 64), "what ran before runs on", "checksum")
    assert host.current == "v1"
    assert "v2" not in host.releases
    ok(host.run("v2", deploy_archive=url, deploy_checksum=host.archive("v2")))
    assert host.current == "v2"


def test_a_release_id_stands_for_one_archive(host: Host) -> None:
    ok(host.release("v1"))
    host.archive("v1", {"version": b"other"})
    refused(host.release("v1"), "A release never changes: give the new archive a new release id")
    assert host.current == "v1"


@pytest.mark.parametrize(
    ("members", "damage", "message"),
    [
        ({"version": b"v2", "../../outside": b"x"}, False, "contains '..'"),
        ({"version": b"v2" * 5000}, True, "did not become the release v2"),
    ],
)
def test_an_archive_that_can_not_be_unpacked_leaves_what_ran(
    host: Host, members: dict[str, bytes], damage: bool, message: str
) -> None:
    ok(host.release("v1"))
    host.archive("v2", members)
    path = host.folder / "shop-v2.tar.gz"
    if damage:
        path.write_bytes(path.read_bytes()[:40])
    refused(host.release("v2"), message, "what ran before runs on")
    assert host.current == "v1"
    assert not (host.root / "outside").exists()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"bluegreen_release": "../v1"}, "Expected an id of letters"),
        ({"deploy_archive": "shop.tar.gz"}, "absolute path on the control node"),
        ({"deploy_checksum": ""}, "deploy_checksum_required"),
        ({"deploy_restart_command": []}, "deploy_restart_command must say"),
        ({"deploy_method": "custom"}, "either deploy_role or deploy_tasks"),
    ],
)
def test_bad_input_is_named_before_anything_is_touched(host: Host, extra: dict[str, Any], message: str) -> None:
    refused(host.run("v1", **{"deploy_checksum": host.archive("v1"), **extra}), message)
    assert not host.root.exists()


def test_an_older_run_is_refused(host: Host) -> None:
    ok(host.release("v2", bluegreen_epoch=7))
    refused(host.release("v1", bluegreen_epoch=6), "epoch 7 (release v2) has worked on this host")
    refused(host.run("v1", entry="retire", bluegreen_epoch=6), "epoch 7 (release v2)")
    assert host.started == ["start fast v2"]


def test_an_older_run_that_comes_late_does_not_become_current(host: Host) -> None:
    ok(host.release("v1", bluegreen_epoch=1))
    newer = host.folder / "newer.yml"
    record = json.dumps({"epoch": 9, "release": "v3"})
    fence = {"ansible.builtin.copy": {"content": record, "dest": f"{host.root}/fence.json", "mode": "0600"}}
    newer.write_text(json.dumps([{"name": "A newer run comes in between", **fence}]))
    refused(host.release("v2", bluegreen_epoch=2, deploy_before_tasks=str(newer)), "epoch 9 (release v3)")
    assert host.current == "v1"
    assert host.started == ["start fast v1"]


def test_a_retired_colour_is_stopped_once_and_can_come_back(host: Host) -> None:
    assert ok(host.run("v1", entry="retire")).changed == 0
    ok(host.release("v1"))
    assert ok(host.run("v1", entry="retire")).changed > 0
    assert ok(host.run("v1", entry="retire")).changed == 0
    ok(host.release("v1"))
    assert [line.split()[0] for line in host.started] == ["start", "stop", "stop", "start"]


def test_your_own_tasks_and_roles_see_release_and_colour(host: Host) -> None:
    words = "{{ deploy_service }} {{ deploy_release }} {{ deploy_colour }}"
    tasks = [{"name": "Note", "ansible.builtin.command": {"argv": host.note(words)}, "changed_when": True}]
    (host.folder / "tasks.yml").write_text(json.dumps(tasks))
    role = host.folder / "run" / "roles" / "mine" / "tasks"
    role.mkdir(parents=True)
    (role / "main.yml").write_text(json.dumps(tasks))
    custom = {"deploy_method": "custom", "bluegreen_colour": "green"}
    ok(host.run("v1", deploy_tasks=f"{host.folder}/tasks.yml", **custom))
    ok(host.run("v2", deploy_role="mine", **custom))
    ok(host.run("v3", entry="retire", deploy_retire_tasks=f"{host.folder}/tasks.yml", **custom))
    assert host.started[:2] == ["shop v1 green", "shop v2 green"]
    assert len(host.started) == 3
    assert ok(host.run("", deploy_method="none")).changed == 0
