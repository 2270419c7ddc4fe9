# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One real ansible-playbook run of a play that a test writes down as data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.net import REPOSITORY
from tests.support.site import Done


def play(
    folder: Path, inventory: Mapping[str, Any], hosts: str, tasks: Sequence[Mapping[str, Any]], *arguments: str, **extra: Any
) -> Done:
    """Run the tasks on the hosts over the local connection; ``extra`` are extra variables."""
    folder.mkdir(parents=True, exist_ok=True)
    plays = [{"hosts": hosts, "gather_facts": False, "tasks": list(tasks)}]
    (folder / "play.json").write_text(json.dumps(plays), encoding="utf-8")
    (folder / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")
    command = ["ansible-playbook", str(folder / "play.json"), "-i", str(folder / "inventory.json"), *arguments]
    command += ["-e", json.dumps({"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **extra})]
    environment = {
        **os.environ,
        "HOME": str(folder),
        "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / "playbooks" / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_FORCE_COLOR": "0",
        "LC_ALL": "C.UTF-8",
    }
    began = time.monotonic()
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False
    )
    return Done(done.returncode, done.stderr + done.stdout, time.monotonic() - began)
