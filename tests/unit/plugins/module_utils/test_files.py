# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durable files and locks: whatever fails, the file in force is whole and nothing is left behind."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils import _files
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import Busy, StorageError
from ansible_collections.turnout.bluegreen.plugins.module_utils._files import PreparedFile, locked, read_text
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def prepared(tmp_path: Path) -> PreparedFile:
    (tmp_path / "split.map").write_text("old\n")
    return PreparedFile(str(tmp_path / "split.map"))


def names(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir())


def test_a_file_that_is_not_there_has_no_text(tmp_path):
    assert read_text(str(tmp_path / "none")) is None


def test_a_file_that_can_not_be_read_is_named(tmp_path):
    with pytest.raises(StorageError, match=str(tmp_path)):
        read_text(str(tmp_path))


def test_what_is_written_is_not_in_force_until_it_is_published(tmp_path, prepared):
    prepared.write("new\n")
    assert prepared.exists()
    assert read_text(prepared.path) == "old\n"
    prepared.publish()
    assert read_text(prepared.path) == "new\n"
    assert names(tmp_path) == ["split.map"]


@given(content=st.binary())
def test_what_is_read_and_written_again_is_the_same_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(content)
    same = PreparedFile(str(path))
    same.write(read_text(str(path)) or "")
    same.publish()
    assert path.read_bytes() == content


def test_a_discarded_file_leaves_nothing(tmp_path, prepared):
    prepared.write("new\n")
    prepared.discard()
    prepared.discard()
    assert not prepared.exists()
    assert read_text(prepared.path) == "old\n"
    assert names(tmp_path) == ["split.map"]


def test_what_a_crash_left_is_written_anew(prepared):
    Path(prepared.prepared).write_text("half of something much longer than what follows")
    prepared.write("new\n")
    prepared.publish()
    assert read_text(prepared.path) == "new\n"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_the_new_file_has_the_mode_of_the_old_one(prepared, mode):
    os.chmod(prepared.path, mode)
    prepared.write("new\n")
    prepared.publish()
    assert stat.S_IMODE(os.stat(prepared.path).st_mode) == mode


def test_a_first_file_is_shared_with_the_group_whatever_the_umask(tmp_path):
    former = os.umask(0o077)
    try:
        PreparedFile(str(tmp_path / "fresh")).write("new\n")
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "fresh.next").stat().st_mode) == 0o660


def test_a_write_that_the_kernel_cuts_short_goes_on(prepared, monkeypatch):
    write = os.write
    monkeypatch.setattr(_files.os, "write", lambda fd, data: write(fd, bytes(data)[:3]))
    prepared.write("a longer line than three characters: ü\n")
    prepared.publish()
    assert read_text(prepared.path) == "a longer line than three characters: ü\n"


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free space"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-write"),
        (errno.EIO, "look at that file"),
    ],
)
@pytest.mark.parametrize("call", ["write", "fsync", "fchmod"])
def test_a_write_that_fails_names_the_file_and_leaves_nothing(tmp_path, prepared, monkeypatch, call, number, remedy):
    def fail(*_arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(_files.os, call, fail)
    with pytest.raises(StorageError, match=r"split\.map\.next") as caught:
        prepared.write("new\n")
    assert remedy in caught.value.remedy
    assert read_text(prepared.path) == "old\n"
    assert names(tmp_path) == ["split.map"]


@pytest.mark.parametrize(("number", "remedy"), [(errno.EACCES, "run as root"), (errno.ENOENT, "bootstrap")])
def test_a_file_that_can_not_be_made_says_what_to_do(prepared, monkeypatch, number, remedy):
    def fail(*_arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(_files.os, "open", fail)
    with pytest.raises(StorageError) as caught:
        prepared.write("new\n")
    assert remedy in caught.value.remedy


def test_publishing_what_was_not_prepared_keeps_the_old_file(prepared):
    with pytest.raises(StorageError, match="replacing"):
        prepared.publish()
    assert read_text(prepared.path) == "old\n"


def test_a_lock_that_is_held_names_its_holder_and_is_not_waited_for(tmp_path):
    path = str(tmp_path / "shop.lock")
    with locked(path), pytest.raises(Busy, match=f"pid {os.getpid()}") as caught, locked(path, timeout=0):
        raise AssertionError("two holders")
    assert path in caught.value.message


def test_a_lock_is_waited_for(tmp_path):
    path = str(tmp_path / "shop.lock")
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            os.close(fd)

    with locked(path, timeout=60, sleep=sleep):
        assert len(slept) == 3


def test_a_lock_without_a_name_is_still_a_lock(tmp_path):
    path = str(tmp_path / "shop.lock")
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with pytest.raises(Busy, match="has not said its pid"), locked(path, timeout=0):
        raise AssertionError("two holders")
    os.close(fd)


def test_a_lock_ends_with_the_block_even_when_that_fails(tmp_path):
    path = str(tmp_path / "shop.lock")
    for _again in range(2):
        with pytest.raises(KeyboardInterrupt), locked(path, timeout=0):
            raise KeyboardInterrupt
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660


def test_a_link_in_the_place_of_a_lock_is_refused(tmp_path):
    (tmp_path / "target").write_text("precious")
    (tmp_path / "shop.lock").symlink_to(tmp_path / "target")
    with pytest.raises(StorageError, match="opening the lock"), locked(str(tmp_path / "shop.lock"), timeout=0):
        raise AssertionError("followed")
    assert (tmp_path / "target").read_text() == "precious"
