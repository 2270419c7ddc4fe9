# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module fence as Ansible runs it: a process that reads its parameters and prints its answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.router import COLLECTIONS, MODULES


def fence(path: Path, epoch: int, release: str = "v1", *, check: bool = False) -> dict[str, Any]:
    parameters = {"path": str(path), "epoch": epoch, "release": release, "_ansible_check_mode": check, "_ansible_diff": True}
    done = subprocess.run(
        [sys.executable, "-m", f"{MODULES}.fence"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": parameters}),
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "fence.json"


def test_a_newer_epoch_is_recorded_and_an_equal_one_changes_nothing(path: Path) -> None:
    first = fence(path, 3)
    assert (first["changed"], first["previous"]) == (True, {})
    newer = fence(path, 4, "v2")
    assert (newer["changed"], newer["previous"]) == (True, {"epoch": 3, "release": "v1"})
    before = path.stat().st_ino, path.stat().st_mtime_ns
    assert fence(path, 4, "v2")["changed"] is False
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before
    assert json.loads(path.read_text()) == {"epoch": 4, "release": "v2"}


def test_an_older_epoch_is_refused_by_name(path: Path) -> None:
    fence(path, 4, "v2")
    refused = fence(path, 3, "v1")
    assert refused["failed"] is True
    assert refused["reason"] == "fenced"
    assert "epoch 4 (release v2) has worked on this host, this run has epoch 3 (release v1)" in refused["msg"]
    assert json.loads(path.read_text())["epoch"] == 4
    assert fence(path, 3, check=True)["failed"] is True


def test_check_mode_says_what_would_change_and_writes_nothing(path: Path) -> None:
    answer = fence(path, 3, check=True)
    assert answer["changed"] is True
    assert json.loads(answer["diff"]["after"]) == {"epoch": 3, "release": "v1"}
    assert not path.parent.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"epoch": "many", "release": ""}', '{"release": "v1"}'])
def test_a_damaged_record_is_named_and_kept(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    answer = fence(path, 9)
    assert answer["failed"] is True
    assert str(path) in answer["msg"]
    assert "remove the file" in answer["msg"]
    assert path.read_text() == text


@pytest.mark.parametrize("epoch", [0, -1])
def test_an_epoch_begins_at_one(path: Path, epoch: int) -> None:
    assert "expected a number from 1" in fence(path, epoch)["msg"]


def test_a_directory_that_can_not_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert f"{tmp_path}/file/fence.json" in fence(tmp_path / "file" / "fence.json", 1)["msg"]


def test_of_many_runs_at_once_the_newest_wins(path: Path) -> None:
    fence(path, 1)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda epoch: fence(path, epoch), [2, 9, 3, 8, 4, 7, 5, 6]))
    assert json.loads(path.read_text())["epoch"] == 9
    admitted = [answer for answer in answers if not answer.get("failed")]
    before = [answer["previous"]["epoch"] for answer in admitted]
    after = [json.loads(answer["diff"]["after"])["epoch"] for answer in admitted]
    assert all(one < other for one, other in zip(before, after, strict=True))
    assert len(set(before)) == len(before), "two runs were admitted over the same record"
