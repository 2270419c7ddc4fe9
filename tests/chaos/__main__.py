# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults in the middle of releases, under load; a quarter of them on one router on this machine, the others on a fleet of hosts.

See ``run.py`` for the one router, ``fleet.py`` for the fleet and what is held against each fault, ``cases.py`` for the list.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.chaos import cases, fleet, run
from tests.chaos.total import Total, say


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=7200.0, help="no further fault after this time")
    parser.add_argument("--seed", type=int, default=1, help="of the list of faults on the fleet")
    parser.add_argument("--only", nargs="+", default=[], choices=["one-router", *cases.KINDS], help="only these kinds of faults")
    options = parser.parse_args()
    until = time.monotonic() + options.seconds
    alone, kinds = "one-router" in options.only or not options.only, [kind for kind in options.only if kind != "one-router"]
    together = bool(kinds) or not options.only
    on_one = options.faults // (4 if together else 1) if alone else 0
    total = Total()
    if on_one:
        total += run.run(on_one, options.seconds / 4)
    if together:
        total += fleet.run(options.faults - on_one, until - time.monotonic(), options.seed, kinds)
    say(f"faults={total.faults} lost={total.lost} stuck={total.stuck} requests={total.requests}")
    return 1 if total.lost or total.stuck or not total.faults else 0


if __name__ == "__main__":
    sys.exit(main())
