# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which all benchmarks leave their numbers."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def merge(path: Path, numbers: Mapping[str, Any]) -> None:
    """Put ``numbers`` over the top-level keys of the JSON object in ``path``, and keep all its other keys.

    Safe against other benchmarks that do the same, and against a reader in the middle of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        text = json.dumps({**known, **numbers}, indent=2, sort_keys=True)
        staged = path.with_suffix(".next")
        staged.write_text(text + "\n", encoding="utf-8")
        os.replace(staged, path)
