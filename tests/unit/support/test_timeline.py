# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sums over a timeline, and the file it travels in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.timeline import Answer, Loss, Progress, Summary

COLOURS = {"blue": "v1", "green": "v2"}


def answer(sent: float, colour: str, took: float = 0.01, kind: str = "new") -> Answer:
    return Answer(sent, sent + took, kind, colour, COLOURS[colour], 0)


def summary(*answers: Answer, losses: tuple[Loss, ...] = ()) -> Summary:
    requests = len(answers) + len(losses)
    return Summary(requests, len(losses), 1.0, 0.1, 0.0, "", {}, losses, answers)


def test_a_switch_shows_as_last_of_the_old_and_first_of_the_new() -> None:
    seen = summary(answer(1, "blue", took=5), answer(2, "blue"), answer(3, "green"), answer(4, "green"))
    first, last = seen.first("green"), seen.last("blue")
    assert first is not None
    assert first.sent == 3
    assert first.ms == pytest.approx(10)
    assert last is not None
    assert last.sent == 2
    assert seen.first("green", after=3.5) == seen.answers[3]
    assert seen.last("blue", before=2) == seen.answers[0]
    assert seen.first("red") is None


def test_a_stray_was_sent_after_the_switch() -> None:
    seen = summary(answer(1, "blue", took=5), answer(2.5, "blue"), answer(3, "green"))
    assert [stray.sent for stray in seen.strays("blue", since=2)] == [2.5]
    assert seen.strays("blue", since=2, until=2.5) == []


def test_shares_and_versions_of_a_window() -> None:
    seen = summary(answer(1, "blue"), answer(2, "green"), answer(3, "green"), answer(4, "green"))
    assert seen.percent() == {"blue": 25, "green": 75}
    assert seen.percent(2) == {"green": 100}
    assert seen.percent(5) == {}
    assert seen.versions(end=3) == {"v1": 1, "v2": 1}


@given(st.lists(st.tuples(st.floats(0, 1e6), st.sampled_from(sorted(COLOURS)), st.floats(0, 10))))
def test_a_summary_survives_its_file(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, str, float]]) -> None:
    path = tmp_path_factory.mktemp("summary") / "summary.json"
    loss = Loss(1.5, "post", "truncated", "blue", 3.25)
    before = summary(*(answer(sent, colour, took) for sent, colour, took in rows), losses=(loss,))
    before.dump(path)
    after = Summary.load(path)
    assert after.losses == (loss,)
    assert (after.requests, after.lost) == (before.requests, before.lost)
    for old, new in zip(before.answers, after.answers):
        assert new.sent == pytest.approx(old.sent, abs=2e-6)
        assert new.done == pytest.approx(old.done, abs=2e-6)
        assert new[2:] == old[2:]


def test_there_is_no_progress_before_the_first_report(tmp_path: Path) -> None:
    assert Progress.load(tmp_path / "status.json") == Progress()
