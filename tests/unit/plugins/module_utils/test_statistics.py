# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Latencies in buckets, and what is read back from them."""

from __future__ import annotations

import json
import math
from collections import Counter

from ansible_collections.turnout.bluegreen.plugins.module_utils._statistics import (
    RATIO,
    Answered,
    Statistics,
    bucket,
    mean,
    percentile,
    upper_bound,
)
from hypothesis import given
from hypothesis import strategies as st

MILLISECONDS = st.floats(0, 600_000, allow_nan=False)


@given(MILLISECONDS)
def test_a_bucket_holds_what_is_at_most_ten_percent_below_its_bound(latency):
    number = bucket(latency)
    assert latency <= upper_bound(number) * (1 + 1e-9)
    assert number == 0 or latency > upper_bound(number - 1) * (1 - 1e-9)


@given(st.lists(MILLISECONDS, min_size=1, max_size=200), st.sampled_from([50, 95, 99, 100]))
def test_a_percentile_is_never_too_low_and_at_most_ten_percent_too_high(latencies, percent):
    exact = sorted(latencies)[math.ceil(len(latencies) * percent / 100) - 1]
    found = percentile(Counter(map(bucket, latencies)), percent)
    assert found is not None
    assert max(exact, 1.0) * (1 - 1e-9) <= found * (1 + 1e-9) <= max(exact, 1.0) * RATIO * (1 + 1e-6)


def test_nothing_has_no_percentile_and_no_mean():
    assert percentile({}, 95) is None
    assert mean([(12.0, 0)]) is None
    assert mean([(10.0, 3), (20.0, 1)]) == 12.5


def test_statistics_are_plain_values():
    statistics = Statistics("c", {"blue": Answered(3, 1, {7: 2, 0: 1}), "green": Answered(average_ms=2.0)}, ("gone",))
    assert json.loads(json.dumps(statistics.as_dict())) == {
        "cursor": "c",
        "answered": {
            "blue": {"requests": 3, "errors": 1, "latencies": [[0, 1], [7, 2]], "average_ms": None},
            "green": {"requests": 0, "errors": 0, "latencies": None, "average_ms": 2.0},
        },
        "doubts": ["gone"],
    }
