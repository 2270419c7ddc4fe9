# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site in the middle of its life, for tests that begin there: without the many tasks of a deployment on each host.

The routers are set up by ``bootstrap.yml``. What is on the hosts and in the journals is what it and ``release.yml`` leave.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from typing import Any

from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.command import SENTINEL

from tests.support.local_router import LocalRouter
from tests.support.site import COLOURS, Site


def call(router: LocalRouter, state: str, **params: Any) -> dict[str, Any]:
    """What a router answers to one task, as the ``traffic`` action asks it."""
    asked = {
        "kind": router.kind,
        "router": router.name,
        "info": False,
        "check_mode": False,
        "params": {"service": "shop", "state": state, "run": "elsewhere", "owner": "bob@other", **params},
        "options": router.variables()["bluegreen_router_options"],
    }
    done = subprocess.run([router.command, "call", json.dumps(asked)], check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.partition(SENTINEL)[2])
    return answer


def done(router: LocalRouter, state: str, **params: Any) -> dict[str, Any]:
    """One task that must succeed."""
    answer = call(router, state, **params)
    assert not answer.get("failed"), answer["msg"]
    return answer


def release(routers: Iterable[LocalRouter], version: str) -> None:
    """Bring all traffic of some routers to a release that runs on the idle colour, and settle there."""
    for router in routers:
        claim = done(router, "claimed", release=version, end_window=True)
        candidate, epoch = router.journal["candidate"], claim["epoch"]
        done(router, "healthy", colour=candidate)
        done(router, "switched", split={candidate: 100}, epoch=epoch)
        done(router, "settled", epoch=epoch)


def set_up(site: Site, blue: str, green: str = "") -> None:
    """Routers, and the release ``blue`` on that colour; then the release ``green`` live, with blue as the way back."""
    for colour, version in {"blue": blue, "green": green}.items():
        if version:
            site.release(version)
            _deploy(site, colour, version)
    bootstrap = site.play("bootstrap")
    assert bootstrap.status == 0, bootstrap.output
    for router in site.routers.values():
        done(router, "healthy", colour="blue")
        done(router, "present", release=blue)
    if green:
        release(site.routers.values(), green)


def _deploy(site: Site, colour: str, version: str) -> None:
    """A release on the hosts of a colour, as the role deploy leaves it."""
    tarball = site.tarballs[version]
    for host in COLOURS[colour]:
        root = site.folder / "hosts" / host
        place = root / "releases" / version
        place.mkdir(parents=True)
        shutil.unpack_archive(tarball.path, place)
        marker = {"release": version, "checksum": f"sha256:{tarball.sha256}"}
        (place / ".turnout-release.json").write_text(json.dumps(marker), encoding="utf-8")
        (root / "current").symlink_to(f"releases/{version}")
        words = ["--root", str(root), "--name", "shop", "--port", str(site.app_ports[host]), "--colour", colour]
        command = [str(root / "current" / "appctl"), "start", *words]
        subprocess.run(command, env=site.environment(), check=True, stdout=subprocess.DEVNULL)
