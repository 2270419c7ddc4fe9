from __future__ import annotations

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.stats import Latencies, percentiles
from hypothesis import given
from hypothesis import strategies as st


def test_nearest_rank_of_a_known_sample():
    assert percentiles(number / 1000 for number in range(1, 101)) == {"p50": 50, "p95": 95, "p99": 99}
    assert percentiles(number / 1000 for number in range(1, 21)) == {"p50": 10, "p95": 19, "p99": 20}


def test_without_samples_there_is_no_percentile():
    assert percentiles([]) == {"p50": None, "p95": None, "p99": None}


@given(st.lists(st.integers(0, 10**6), min_size=1), st.sampled_from([50, 95, 99]))
def test_at_least_p_percent_are_not_above_it_and_no_smaller_sample_will_do(milliseconds, percent):
    found = percentiles(number / 1000 for number in milliseconds)[f"p{percent}"]

    def reached(bound):
        return sum(number <= bound for number in milliseconds) * 100 >= percent * len(milliseconds)

    assert found in milliseconds
    assert reached(found)
    assert not any(reached(number) for number in milliseconds if number < found)


def test_only_the_latest_samples_are_kept():
    latencies = Latencies()
    for number in range(Latencies.KEPT + 10):
        latencies.add(number)
    assert sorted(latencies.samples()) == pytest.approx(range(10, Latencies.KEPT + 10))
