# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal beside the router: compare-and-set, and a damaged one is kept, not lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput, Fenced, JournalError
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal import Journal
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal_file import JournalFile, encode, known_service
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import Routing, Split
from hypothesis import given
from hypothesis import strategies as st

JOURNAL = Journal("shop", "blue", Routing(Split(0)), epoch=4)


@pytest.fixture
def file(tmp_path: Path) -> JournalFile:
    return JournalFile(str(tmp_path), "shop")


def publish(file: JournalFile, journal: Journal, expected_epoch: int) -> None:
    file.prepare(journal)
    file.publish(expected_epoch)


@given(st.text())
def test_a_service_is_a_plain_file_name_or_bad_input(service):
    try:
        assert known_service(service) == service
    except BadInput:
        return
    assert "/" not in service
    assert service.isascii()
    assert service.split() == [service]
    assert 0 < len(service) < 64
    assert not service.startswith(".")


@pytest.mark.parametrize("service", ["", "..", "../shop", "shop/sticky", "shop\n", "-rf", "a" * 64, "shöp", "shop map"])
def test_a_service_that_would_leave_its_folder_is_refused(service):
    with pytest.raises(BadInput):
        JournalFile("/nowhere", service)


def test_there_is_no_journal_before_the_first(file):
    assert file.load() is None
    assert not file.interrupted


def test_a_published_journal_is_loaded_as_it_was(file, tmp_path):
    publish(file, JOURNAL, -1)
    assert file.load() == JOURNAL
    assert [path.name for path in tmp_path.iterdir()] == ["shop.json"]


@pytest.mark.parametrize("expected", [-1, 3, 5])
def test_another_epoch_than_the_expected_one_is_fenced_and_changes_nothing(file, expected):
    publish(file, JOURNAL, -1)
    file.prepare(replace(JOURNAL, epoch=5))
    with pytest.raises(Fenced, match=f"epoch 4, expected {expected}"):
        file.publish(expected)
    assert file.load() == JOURNAL


def test_a_journal_that_came_meanwhile_fences_the_first_one(file):
    file.prepare(replace(JOURNAL, epoch=0))
    Path(file.path).write_text(encode(JOURNAL))
    with pytest.raises(Fenced):
        file.publish(-1)


def test_a_prepared_journal_is_evidence_until_it_is_discarded(file):
    publish(file, JOURNAL, -1)
    file.prepare(replace(JOURNAL, epoch=5))
    assert file.interrupted
    assert file.load() == JOURNAL
    file.discard()
    assert not file.interrupted


def test_a_damaged_journal_says_which_file_and_how_to_go_on(file):
    Path(file.path).write_text(encode(JOURNAL)[:40])
    with pytest.raises(JournalError) as caught:
        file.load()
    assert file.path in caught.value.message
    assert "turnout switch shop" in caught.value.remedy


def test_a_journal_of_another_service_is_no_journal_of_this_one(file):
    Path(file.path).write_text(encode(replace(JOURNAL, service="cart")))
    with pytest.raises(JournalError, match="'cart'"):
        file.load()


def test_a_newer_journal_keeps_its_own_remedy(file):
    Path(file.path).write_text(encode(JOURNAL).replace('"format": 1', '"format": 2'))
    with pytest.raises(JournalError) as caught:
        file.load()
    assert "newer turnout.bluegreen" in caught.value.remedy


def test_a_damaged_journal_is_kept_beside_the_new_one(file):
    damaged = encode(JOURNAL)[:40]
    for _again in range(2):
        Path(file.path).write_text(damaged)
        publish(file, replace(JOURNAL, epoch=1_800_000_000), -1)
        assert Path(file.path + ".damaged").read_text() == damaged
        loaded = file.load()
        assert loaded is not None
        assert loaded.epoch == 1_800_000_000


def test_a_damaged_journal_is_not_replaced_by_one_that_expects_a_whole_one(file):
    Path(file.path).write_text("{")
    file.prepare(JOURNAL)
    with pytest.raises(Fenced):
        file.publish(4)
    assert Path(file.path).read_text() == "{"
