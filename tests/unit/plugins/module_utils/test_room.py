# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on a host: the limits, and this host as it is."""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils import _room
from ansible_collections.turnout.bluegreen.plugins.module_utils._room import Space

MEMINFO = "MemTotal:       16384000 kB\nMemFree:         1024000 kB\nMemAvailable:    8192000 kB\nHugePages_Total:       0\n"


@pytest.mark.parametrize(("free", "status"), [(512, "pass"), (511, "fail")])
def test_megabytes(free: int, status: str) -> None:
    line, _files = _room.disk(Space("/opt", free, 100, 100), 512, 10)
    assert (line.check, line.status) == ("disk", status)
    assert line.evidence == f"{free} MB are free at /opt, expected at least 512"


@pytest.mark.parametrize(("free", "status"), [(10, "pass"), (9, "fail")])
def test_inodes(free: int, status: str) -> None:
    _room_line, line = _room.disk(Space("/opt", 512, 100, free), 512, 10)
    assert (line.check, line.status) == ("inodes", status)


def test_a_file_system_that_makes_inodes_as_needed() -> None:
    assert [line.check for line in _room.disk(Space("/opt", 512, 0, 0), 512, 10)] == ["disk"]


def test_a_file_system_is_looked_at_once_and_a_missing_folder_is_the_one_above(tmp_path: Path) -> None:
    (found,) = _room.spaces([str(tmp_path / "not" / "there"), str(tmp_path)])
    assert found.path == str(tmp_path)
    seen = os.statvfs(tmp_path)
    assert found.inodes == seen.f_files
    assert abs(found.free_mb - seen.f_bavail * seen.f_frsize // _room.MB) < 1000


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({}, 8000),
        ({"memory.max": "max\n", "memory.current": "1"}, 8000),
        ({"memory.max": str(1000 * _room.MB), "memory.current": str(900 * _room.MB)}, 100),
        (
            {
                "memory.max": str(1000 * _room.MB),
                "memory.current": str(900 * _room.MB),
                "memory.stat": f"anon 5\ninactive_file {300 * _room.MB}\n",
            },
            400,
        ),
        ({"memory.max": str(1000 * _room.MB), "memory.current": str(1100 * _room.MB)}, 0),
        ({"memory.max": str(64000 * _room.MB), "memory.current": "0"}, 8000),
    ],
)
def test_available_memory(group: dict[str, str], expected: int) -> None:
    assert _room.available_mb(MEMINFO, group) == expected


def test_a_kernel_that_does_not_say_it_is_a_doubt() -> None:
    assert _room.available_mb("MemTotal: 5 kB\n", {}) is None
    assert _room.memory(None, 64).status == "warn"


@pytest.mark.parametrize(("found", "status"), [(64, "pass"), (63, "fail")])
def test_memory(found: int, status: str) -> None:
    assert _room.memory(found, 64).status == status


@pytest.mark.parametrize(("average", "status"), [(8.0, "pass"), (8.1, "warn")])
def test_load_is_for_each_cpu(average: float, status: str) -> None:
    assert _room.load(average, 2, 4).status == status


@pytest.mark.parametrize(("used", "status"), [(80, "pass"), (81, "fail"), (100, "fail")])
def test_open_files_of_the_host(used: int, status: str) -> None:
    line = _room.descriptors(f"{used}\t0\t100\n", 20)
    assert line.status == status
    assert line.evidence == f"the host has {used} of 100 files open, {100 - used}% are free, expected at least 20%"


@pytest.mark.parametrize(("apart", "status"), [(30, "pass"), (-30, "pass"), (31, "fail"), (-31, "fail")])
def test_clocks(apart: float, status: str) -> None:
    assert _room.clock(1000.0 + apart, 1000.0, 30).status == status


def test_the_remedy_is_left_out_of_a_pass() -> None:
    assert _room.memory(64, 64).as_dict("web3")["remedy"] == ""
    assert _room.memory(63, 64).as_dict("web3")["remedy"] != ""
    assert _room.memory(63, 64).as_dict("web3")["host"] == "web3"


# -- units of systemd


def unit(properties: str, least: float = 20) -> _room.Check:
    return _room.unit_descriptors("shop.service", properties, least)


def test_a_unit_that_runs_is_this_process() -> None:
    properties = f"LimitNOFILESoft=1\nLoadState=loaded\nMainPID={os.getpid()}\n"
    used, most = len(os.listdir("/proc/self/fd")), resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    line = unit(properties)
    assert line.status == "pass"
    assert f"of {most} files open" in line.evidence
    assert unit(properties, least=100 - 50 * used / most).status == "fail"


@pytest.mark.parametrize(
    ("properties", "status", "words"),
    [
        ("LoadState=not-found\nMainPID=0\n", "pass", "does not exist yet"),
        ("LoadState=loaded\nMainPID=0\nLimitNOFILESoft=1024\n", "pass", "may open 1024 files"),
        ("LoadState=loaded\nMainPID=999999999\n", "warn", "can not be counted"),
        ("System has not been booted with systemd", "warn", "System has not been booted"),
    ],
)
def test_a_unit_that_does_not_run(properties: str, status: str, words: str) -> None:
    line = unit(properties)
    assert line.status == status
    assert words in line.evidence


# -- processes


def test_the_limit_of_this_process() -> None:
    assert _room.soft_limit(os.getpid()) == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_no_limit_is_a_large_one(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "limits").write_text(
        "Max open files            unlimited            unlimited            files\n", encoding="ascii"
    )
    assert _room.soft_limit(7, str(tmp_path)) > 1 << 60


def test_the_sockets_of_this_process() -> None:
    before = _room.sockets([os.getpid()])
    assert before is not None
    with socket.socket(), socket.socket():
        assert _room.sockets([os.getpid()]) == before + 2


def test_a_process_that_has_ended_can_not_be_counted() -> None:
    assert _room.sockets([999999999]) is None


def test_a_host_without_a_bound_has_no_files_of_it(tmp_path: Path) -> None:
    assert _room.read_group(str(tmp_path)) == {}
    (tmp_path / "memory.max").write_text("max\n", encoding="ascii")
    assert _room.read_group(str(tmp_path)) == {"memory.max": "max\n"}
