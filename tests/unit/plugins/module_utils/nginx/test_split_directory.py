# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Link and directories of a split, on a real file system."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import NotConfigured
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.split_directory import ENDS, SplitDirectory
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import Split
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def folder(tmp_path):
    """As bootstrap leaves it: all on blue."""
    directory = SplitDirectory(str(tmp_path))
    for end in ENDS:
        assert directory.provide(end)
    directory.stage(Split(0))
    directory.commit()
    return tmp_path


@pytest.fixture
def directory(folder):
    return SplitDirectory(str(folder))


def names(folder):
    return {path.name for path in folder.iterdir()}


HOME = {"current", "w0", "w100", "w0.spare", "w100.spare"}


def test_what_bootstrap_makes(folder, directory):
    assert names(folder) == HOME
    assert directory.durable() == Split(0)
    assert not any(directory.provide(end) for end in ENDS)


@pytest.mark.parametrize("green", [0, 1, 50, 99, 100])
def test_a_directory_means_its_split(folder, directory, green):
    old = os.umask(0o077)
    try:
        directory.stage(Split(green))
    finally:
        os.umask(old)
    assert directory.durable() == Split(0)
    directory.commit()
    assert directory.durable() == Split(green)
    inside = folder / "current"
    assert sorted(int(path.name) for path in inside.iterdir()) == list(range(green))
    assert stat.S_IMODE(inside.stat().st_mode) & 0o555 == 0o555  # the umask is not the workers' trouble
    assert names(folder) == HOME | {f"w{green}"}


@pytest.mark.parametrize(
    ("split", "files"), [(Split(0, "green"), {"cohort-green"}), (Split(2, "blue"), {"0", "1", "cohort-blue"})]
)
def test_the_cohort_has_a_file_in_a_directory_of_its_own(folder, directory, split, files):
    directory.stage(split)
    directory.commit()
    assert directory.durable() == split != Split(split.green)
    assert names(folder / "current") == files
    (folder / "current" / f"cohort-{split.cohort}").unlink()
    assert f"without cohort-{split.cohort}" in directory.trouble(split)
    assert "and nothing else" in directory.trouble(split)


def test_what_is_thrown_away_leaves_nothing(folder, directory):
    directory.stage(Split(40))
    assert directory.interrupted
    directory.discard()
    assert names(folder) == HOME
    assert not directory.interrupted
    directory.stage(Split(100))
    directory.discard()
    assert names(folder) == HOME


def test_a_directory_that_was_used_is_kept(folder, directory):
    for green in (40, 0):
        directory.stage(Split(green))
        directory.commit()
    directory.stage(Split(40))
    directory.discard()
    assert names(folder) == HOME | {"w40"}


def test_what_a_crash_has_left_is_no_hindrance(folder, directory):
    (folder / "w.next").mkdir()
    (folder / "w.next" / "7").touch()
    (folder / "current.next").symlink_to("w3")
    assert directory.interrupted
    directory.stage(Split(10))
    directory.commit()
    assert names(folder) == HOME | {"w10"}
    assert directory.trouble(Split(10)) == ""


def spoil_missing(path):
    (path / "3").unlink()


def spoil_directory(path):
    (path / "3").unlink()
    (path / "3").mkdir()


def spoil_dangling(path):
    (path / "3").unlink()
    (path / "3").symlink_to("nowhere")


def spoil_further(path):
    (path / "10").touch()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoil_missing, "without 3"),
        (spoil_directory, "with 3"),
        (spoil_dangling, "with 3"),
        (spoil_further, "with 10"),
    ],
)
def test_a_directory_that_does_not_mean_its_split(folder, directory, spoil, told):
    directory.stage(Split(10))
    directory.commit()
    directory.stage(Split(0))
    directory.commit()
    spoil(folder / "w10")
    before = names(folder)
    with pytest.raises(NotConfigured, match=told) as raised:
        directory.stage(Split(10))
    assert f"rm -r {folder}/w10" in raised.value.remedy
    assert names(folder) == before


def test_something_else_in_the_place_of_a_directory(folder, directory):
    (folder / "w7").touch()
    with pytest.raises(NotConfigured, match="is no directory"):
        directory.stage(Split(7))
    (folder / "w0" / "0").touch()
    with pytest.raises(NotConfigured, match="expected no file"):
        directory.stage(Split(0))


@pytest.mark.parametrize("target", ["w101", "w-1", "w007", "elsewhere", "../w0", "/w0", "w", "w0x"])
def test_a_link_that_leads_elsewhere(folder, directory, target):
    (folder / "current").unlink()
    (folder / "current").symlink_to(target)
    with pytest.raises(NotConfigured, match="expected w0 to w100") as raised:
        directory.durable()
    assert "ln -sfn" in raised.value.remedy


def test_no_link(folder, directory):
    (folder / "current").unlink()
    with pytest.raises(NotConfigured, match="does not exist"):
        directory.durable()
    (folder / "current").mkdir()
    with pytest.raises(NotConfigured, match="no symbolic link"):
        directory.durable()


def test_the_first_directory_that_is_closed_is_named(folder, directory):
    folder.chmod(0o711)
    open_above = all(parent.stat().st_mode & stat.S_IXOTH for parent in folder.parents)
    (folder / "w100").chmod(0o700)
    closed = directory.closed(Split(100))
    assert closed == str(folder / "w100") if open_above else closed in map(str, folder.parents)


splits = st.builds(Split, st.integers(0, 100), st.sampled_from([None, "blue", "green"]))


@given(st.lists(st.tuples(splits, st.booleans()), max_size=12))
def test_whatever_is_staged_only_a_commit_counts(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("split")
    directory = SplitDirectory(str(path))
    directory.stage(Split(0))
    directory.commit()
    expected = Split(0)
    for split, committed in steps:
        directory.stage(split)
        if committed:
            directory.commit()
            expected = split
        directory.discard()
        assert directory.durable() == expected
        assert directory.trouble(expected) == ""
        assert not directory.interrupted
