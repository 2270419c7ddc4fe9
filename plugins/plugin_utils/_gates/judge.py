# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the candidate worse than the stable colour, or is the difference chance? By the Mann-Whitney U test.

The verdict is in the spirit of Kayenta's judge (spinnaker/kayenta, ``MannWhitneyClassifier.scala`` and ``MannWhitney.scala``),
and takes its defaults, tolerance 0.25 and confidence 0.98. The way is another one:

- Kayenta estimates how far the candidate is shifted (Hodges and Lehmann) with a two-sided confidence interval of this shift, and
  says *high* when the interval's lower end is above the tolerance times the *estimate*. So its tolerance says how far off zero
  the interval must be, in parts of the shift itself: a shift of 1 %, when it is certain, is high.
  Its interval leaves 1 % to each side, a confidence of 0.98 here 2 % to the one that is asked for.
- Here the stable series is scaled by the tolerance, and the candidate is held against that by a one-sided test. So tolerance
  0.25 means that a candidate which is up to 25 % above the stable colour is not worse, however certain the difference is.
- The effect size is the common language effect size (McGraw and Wong 1992; Vargha and Delaney's A with ties counted half):
  CLES = U / (n1 n2), the probability that a value of the candidate is above one of the *scaled* stable series. 0.5 is no
  difference, 1 is every one above. Kayenta asks for a ratio of the means instead, which one outlier can make.
- Kayenta drops outliers and puts a little noise on constant series. Ranks need neither.

The same series is judged again in each interval while it grows, so that the probability of one wrong *worse* over a whole bake is
greater than 1 - confidence. The tolerance, the effect size and the bad answers that a gate tolerates in a row stand against that.
For the same reason a candidate that gets worse late is found late: it takes about as long as the good part before it. A threshold
or a ratio beside the judge sees that at once.
"""

from __future__ import annotations

import functools
import math
import statistics
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

GREATER, LESS, TWO_SIDED = "greater", "less", "two-sided"
#: Up to this size of one series the normal approximation is not good enough, when no two values are the same. The same bound as
#: in scipy.stats.mannwhitneyu, whose ``method="auto"`` takes the exact distribution then.
SMALL = 8

#: (x, y, alternative) -> p by the exact distribution of U.
Exact = Callable[[Sequence[float], Sequence[float], str], float]


@dataclass(frozen=True)
class MannWhitney:
    """U of the first series, and the probability of a U at least as extreme by chance."""

    u: float
    p: float


@dataclass(frozen=True)
class Verdict:
    """What the test says of the candidate.

    ``worse`` is None when these series can not tell: ``needed`` says what is missing. ``effect`` is the CLES towards
    ``direction``, the one that looks worse when both are asked for.
    """

    worse: bool | None
    direction: str
    effect: float = 0.5
    p: float = 1.0
    needed: str = ""


def mann_whitney(x: Sequence[float], y: Sequence[float], alternative: str) -> MannWhitney:
    """The Mann-Whitney U test by the normal approximation, corrected for ties and for continuity.

    The same as ``scipy.stats.mannwhitneyu(x, y, alternative=..., method="asymptotic")``. Formulas: Mann and Whitney 1947, and
    en.wikipedia.org/wiki/Mann-Whitney_U_test, "Normal approximation and tie correction".

    Args:
        x: the first series, at least one value.
        y: the second series, at least one value.
        alternative: ``greater`` (x tends to be above y), ``less`` or ``two-sided``.

    Raises:
        ValueError: an empty series, a value that is NaN, or an unknown alternative.
    """
    u, ties = _u_and_ties(x, y)
    n1, n2 = len(x), len(y)
    n, mean = n1 + n2, n1 * n2 / 2
    if alternative == GREATER:
        extreme = u
    elif alternative == LESS:
        extreme = n1 * n2 - u
    elif alternative == TWO_SIDED:
        extreme = max(u, n1 * n2 - u)
    else:
        raise ValueError(f"alternative {alternative!r} is unknown: expected greater, less or two-sided")
    tie_term = sum(count**3 - count for count in ties) / (n * (n - 1))
    sigma = math.sqrt(n1 * n2 / 12 * (n + 1 - tie_term))
    # Where all values are one value there is no deviation, and every U is as likely as any other.
    p = _upper_tail((extreme - mean - 0.5) / sigma) if sigma else 1.0
    return MannWhitney(u, min(p * 2, 1.0) if alternative == TWO_SIDED else p)


@dataclass(frozen=True)
class Rule:
    """When a difference counts.

    Args:
        tolerance: the part by which the candidate may be off: 0.25 for 25 %. Below 1 where ``less`` is asked for.
        confidence: 0.98 for a probability of 2 % that equal series are called different.
        effect: the least CLES, from 0.5 to 1.
    """

    tolerance: float
    confidence: float
    effect: float


def verdict(
    candidate: Sequence[float], stable: Sequence[float], directions: Sequence[str], rule: Rule, exact: Exact | None
) -> Verdict:
    """Whether the candidate is worse: the one-sided test rejects at the confidence, and the effect is large enough.

    Args:
        candidate: values of the candidate.
        stable: values of the stable colour.
        directions: which way is worse: ``greater``, ``less``, or both; each is tested by itself at the confidence.
        rule: when a difference counts.
        exact: the test for small series, from :func:`exact_test`; None where there is none.

    Raises:
        ValueError: a value that is NaN.
    """
    if not _can_tell(len(candidate), len(stable), rule.confidence):
        return Verdict(None, directions[0], needed="more: so few prove nothing")
    if len({*candidate, *stable}) == 1:
        return Verdict(False, directions[0])
    found = []
    for direction in directions:
        bound = scaled(stable, rule.tolerance, direction)
        p, cles = _test(candidate, bound, direction, exact)
        if p is None:
            return Verdict(None, direction, cles, needed=f"SciPy on the control node, or more than {SMALL}")
        found.append(Verdict(p <= 1 - rule.confidence and cles >= rule.effect, direction, cles, p))
    return max(found, key=lambda one: (bool(one.worse), one.effect))


def _can_tell(n1: int, n2: int, confidence: float) -> bool:
    """Whether series of these sizes could be called different at all: when no value of one is among those of the other.

    By chance that is so in one of (n1 + n2 over n1) orders, which is the smallest p of the exact distribution.
    """
    orders = math.lgamma(n1 + n2 + 1) - math.lgamma(n1 + 1) - math.lgamma(n2 + 1)
    return -orders <= math.log(1 - confidence) + 1e-9


def scaled(stable: Sequence[float], tolerance: float, direction: str) -> list[float]:
    """The stable series moved to where the candidate would just be tolerated.

    Values that are all 0 or more are multiplied, so that the spread grows with them; a series that is 0 throughout stays, because
    no part of nothing can be tolerated. Where a value is negative, multiplying would move it the wrong way: all values are moved
    by the tolerance of the absolute median.
    """
    sign = 1 if direction == GREATER else -1
    if min(stable) < 0:
        shift = sign * tolerance * abs(statistics.median(stable))
        return [value + shift for value in stable]
    return [value * (1 + sign * tolerance) for value in stable]


@functools.cache
def exact_test() -> Exact | None:
    """SciPy's exact test; None where SciPy is not installed.

    SciPy is used for nothing else, and imported only when it is asked for: on large series it finds the same as
    :func:`mann_whitney` does, and to import it takes half a second and 90 MB.
    """
    try:
        from scipy.stats import mannwhitneyu
    except ImportError:
        return None
    return lambda x, y, alternative: float(mannwhitneyu(x, y, alternative=alternative, method="exact").pvalue)


def _test(x: Sequence[float], y: Sequence[float], direction: str, exact: Exact | None) -> tuple[float | None, float]:
    """p, None where it can not be known, and the CLES towards the direction."""
    found = mann_whitney(x, y, direction)
    share = found.u / (len(x) * len(y))
    cles = share if direction == GREATER else 1 - share
    if min(len(x), len(y)) > SMALL or len({*x, *y}) < len(x) + len(y):
        return found.p, cles
    return (exact(x, y, direction) if exact else None), cles


def _u_and_ties(x: Sequence[float], y: Sequence[float]) -> tuple[float, list[int]]:
    """U of x, the pairs in which x is above y with the equal ones counted half; and how many values share each rank."""
    if not x or not y:
        raise ValueError("a series is empty")
    if any(math.isnan(value) for value in (*x, *y)):
        raise ValueError("a value is NaN")
    ranked = sorted(y)
    halves = sum(bisect_left(ranked, value) + bisect_right(ranked, value) for value in x)
    return halves / 2, list(Counter((*x, *y)).values())


def _upper_tail(z: float) -> float:
    """Probability that a standard normal variable is above z."""
    return math.erfc(z / math.sqrt(2)) / 2
