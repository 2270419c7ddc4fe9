# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures over real daemons: sample applications, HAProxy, sshd."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # makes tests.support and demo importable

from tests.support.apps import Apps
from tests.support.haproxy import HAProxy, Service
from tests.support.net import REPOSITORY
from tests.support.sshd import Sshd

#: The files that take minutes. They come first, or one of two processes has nothing to do at the end.
LONG = ("fleet", "hold", "playbooks", "role_deploy", "role_nginx", "heartbeat", "bake", "verify", "drill", "role_haproxy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {f"test_{name}": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> None:
    """The modules of all playbooks start quicker; see ``tests/support/compiled``."""
    folder = REPOSITORY / "build" / "compiled"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(PYTHONPATH=str(REPOSITORY / "tests" / "support" / "compiled"), TURNOUT_COMPILED=str(folder))


@pytest.fixture(scope="module")
def _module_apps() -> Iterator[Apps]:
    with Apps(blue=2, green=2) as apps:
        yield apps


@pytest.fixture
def apps(_module_apps: Apps) -> Apps:
    """Two blue and two green applications, all healthy at the start of the test."""
    _module_apps.restore()
    return _module_apps


@pytest.fixture
def service(apps: Apps) -> Service:
    """The service `shop` over the applications, on free ports."""
    return Service.on_free_ports("shop", apps.ports("blue"), apps.ports("green"))


@pytest.fixture
def haproxy(service: Service) -> Iterator[HAProxy]:
    """A HAProxy of its own for each test, all traffic on blue."""
    if shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") is None:
        pytest.fail("haproxy is not installed: make integration installs it")
    with HAProxy([service]) as running:
        yield running


@pytest.fixture(scope="session")
def sshd() -> Iterator[Sshd]:
    """An sshd that lets the user of the tests in with a key."""
    if shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin") is None:
        pytest.fail("sshd is not installed: make integration installs it")
    with Sshd() as running:
        yield running
