from __future__ import annotations

import random

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.stats import percentiles
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.flatness import Flatness, p95, window_size
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("p95s", "flat"),
    [
        ([], False),
        ([20.0, 20.0], False),
        ([20.0, 20.0, 20.0], True),
        ([400.0, 90.0, 20.0, 19.0, 21.0], True),
        ([400.0, 90.0, 20.0], False),
        # Each within 10 % of the mean, and still falling.
        ([110.0, 100.0, 92.0], False),
        ([100.0, 100.0, 92.0], True),
        # Slower again is noise, and no cold cache.
        ([92.0, 100.0, 109.0], True),
        # Noise of a quiet service.
        ([1.2, 1.6, 0.9], True),
        ([20.0, None, 20.0, 20.0], False),
        ([None, 20.0, 20.0, 20.0], True),
    ],
)
def test_flat(p95s, flat):
    assert Flatness().reached(p95s) is flat


def test_without_a_floor_quiet_services_are_never_flat():
    assert not Flatness(floor_ms=0.0).reached([1.2, 1.6, 0.9])


@given(st.lists(st.floats(0.1, 10_000), min_size=3, max_size=10), st.floats(0, 0.9), st.floats(0, 50))
def test_what_is_flat_stays_so_with_more_tolerance(p95s, tolerance, floor):
    if Flatness(3, tolerance, floor).reached(p95s):
        assert Flatness(3, tolerance * 1.05, floor * 2 + 1e-6).reached(p95s)


@given(st.lists(st.floats(0.1, 10_000), min_size=3, max_size=10), st.integers(2, 3))
def test_only_the_last_windows_count(p95s, windows):
    flatness = Flatness(windows)
    assert flatness.reached(p95s) is flatness.reached([None, 1.0, *p95s])


def test_noise_alone_is_found_flat_soon_and_a_cold_cache_is_not():
    """Latencies as services have them: many around 20 ms, a long tail. The first two windows are cold."""
    noise = random.Random(1)

    def window(cold: float) -> float | None:
        return p95([noise.lognormvariate(-3.9, 0.4) + (0.3 if noise.random() < cold else 0) for _n in range(200)], 0)

    took = []
    for _trial in range(200):
        p95s = [window(0.9), window(0.3)]
        while not Flatness().reached(p95s):
            p95s.append(window(0.0))
        took.append(len(p95s) - 2)
    assert min(took) >= 3
    assert sorted(took)[180] <= 12


@given(st.lists(st.integers(1, 10**6), min_size=1), st.integers(0, 50))
def test_a_failed_request_is_slower_than_any_answer(milliseconds, failed):
    latencies = [number / 1000 for number in milliseconds]
    expected = percentiles([*latencies, *[10**9] * failed])["p95"]
    found = p95(latencies, failed)
    assert found == expected if found is not None else expected == 10**12


def test_without_any_request_there_is_no_p95():
    assert p95([], 0) is None
    assert p95([], 5) is None


@given(st.integers(1, 1000), st.integers(1, 5000))
def test_a_window_is_whole_rounds(wanted, urls):
    size = window_size(wanted, urls)
    assert size % urls == 0
    assert wanted <= size < wanted + urls


@pytest.mark.parametrize("bad", [{"windows": 1}, {"tolerance": -0.1}, {"tolerance": 1.0}, {"floor_ms": -1.0}])
def test_a_definition_that_makes_no_sense_is_refused(bad):
    with pytest.raises(BadInput):
        Flatness(**bad)
