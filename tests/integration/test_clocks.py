# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control node whose clock is another one than the routers'."""

from __future__ import annotations

import re
import time
from pathlib import Path

from tests.support.ready import set_up
from tests.support.site import Site
from tests.support.sshd import Sshd

# Without a bake: libfaketime also moves the clock that has no date, and then some waits of threads never end.
QUICK = {"bake_seconds": 0, "verify_interval": 0.1}


class Astray(Site):
    """A site whose control node is ten minutes behind, once it is ``behind``."""

    behind = False

    def environment(self) -> dict[str, str]:
        library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
        return {**super().environment(), **({"LD_PRELOAD": str(library), "FAKETIME": "-600s"} if self.behind else {})}


def test_routers_with_another_clock_than_the_control_node_flip_at_the_same_instant(sshd: Sshd) -> None:
    """Only the control node's clock is another one: over SSH, its environment does not reach the routers."""
    with Astray(variables=QUICK, routers=("haproxy", "haproxy")) as site:
        set_up(site, "v1", "v2")
        for router in site.routers.values():
            router.overrides.update(sshd.host_vars)
        site.variables["deploy_method"] = "none"  # v1 is still on blue
        site.write_inventory()
        site.behind = True
        done = site.play("release", bluegreen_release="v1", bluegreen_end_window=True, preflight_max_clock_skew_seconds=1000)
        assert done.status == 0, done.output
        flipped = [router.journal["changed_at"] for router in site.routers.values()]
        assert [router.answer() for router in site.routers.values()] == [("blue", "v1"), ("blue", "v1")]
    assert abs(flipped[0] - time.time()) < 60, "the journals have the routers' own time"
    found = re.search(r"2 routers within ([0-9.]+) ms", done.output)
    assert found is not None
    # As little as an answer over SSH may leave in doubt, and nowhere near the ten minutes that the clocks are apart.
    assert float(found[1]) < 3000
