# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of the demo, from a written timeline."""

from __future__ import annotations

from demo.figures import Act, compare
from tests.support.timeline import Answer, Summary


def summary(*rows: tuple[float, str]) -> Summary:
    """Answers of a millisecond: when they were sent, and by which version."""
    answers = tuple(Answer(sent, sent + 0.001, "new", "blue", version, 1) for sent, version in rows)
    return Summary(len(rows), 0, 1.0, 0.1, 0.0, "", {}, (), answers)


def test_a_release_a_rollback_and_one_that_was_bad() -> None:
    seen = summary(
        (1, "v1"), (2, "v2"), (3, "v1"), (4, "v2"),  # a release
        (11, "v2"), (11.5, "v1"),  # a rollback
        (21, "v1"), (22, "v3"), (23, "v1"), (24, "v1"), (25, "v3"), (26, "v1"),  # a bad one
    )  # fmt: skip
    acts = [
        Act("good", "canary", "v2", 0, 10),
        Act("back", "canary", "v2", 10, 12),
        Act("bad", "canary", "v3", 20, 30),
        Act("good", "canary", "v2", 0, 99),
    ]
    assert compare(acts, seen) == {
        "canary": {
            "release_s": 10,
            "both_versions_s": 1.0,
            "rollback_ms": 2000,
            "rollback_client_ms": 1000,
            "bad_requests": 2,
            "bad_percent": 50.0,
            "bad_s": 3.0,
        }
    }


def test_a_flip_without_an_overlap() -> None:
    assert compare([Act("good", "all_at_once", "v2", 0, 10)], summary((1, "v1"), (2, "v2"))) == {
        "all_at_once": {"release_s": 10, "both_versions_s": 0.0}
    }
