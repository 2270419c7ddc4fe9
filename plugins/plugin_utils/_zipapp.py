# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zipapp: the engine and its providers in one file that a router runs without Ansible."""

from __future__ import annotations

import functools
import hashlib
import io
import zipfile
from pathlib import Path

_SOURCE = Path(__file__).resolve().parent.parent / "module_utils"
_PACKAGE = "turnout"
_PARTS = (
    "_clock.py",
    "_errors.py",
    "_files.py",
    "_journal.py",
    "_journal_file.py",
    "_pending.py",
    "_pending_file.py",
    "_router.py",
    "_routing.py",
    "_servers.py",
    "_statistics.py",
    "_traffic/*.py",
    "_haproxy/*.py",
    "_nginx/*.py",
)
_MAIN = f"import sys\nfrom {_PACKAGE}._traffic.command import main\nsys.exit(main())\n"


def _members() -> dict[str, bytes]:
    members = {"__main__.py": _MAIN.encode(), f"{_PACKAGE}/__init__.py": b""}
    for pattern in _PARTS:
        for path in sorted(_SOURCE.glob(pattern)):
            members[f"{_PACKAGE}/{path.relative_to(_SOURCE).as_posix()}"] = path.read_bytes()
    return members


@functools.lru_cache(maxsize=1)
def digest() -> str:
    """Twelve hex digits over the sources: the zipapp's version."""
    state = hashlib.sha256()
    for name, content in sorted(_members().items()):
        state.update(f"{name} {len(content)}\n".encode() + content)
    return state.hexdigest()[:12]


def build(interpreter: str) -> bytes:
    """The zipapp's bytes; the same sources and interpreter give the same bytes.

    Args:
        interpreter: path of the router's Python, for the shebang line.
    """
    content = io.BytesIO()
    # -I: nothing from the caller's environment or folder is imported by a command that root runs.
    content.write(f"#!{interpreter} -I\n".encode())
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, member in sorted(_members().items()):
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), member)
    return content.getvalue()


def file_name() -> str:
    """Name of the zipapp on a router; it carries the version, so that no second question is needed."""
    return f"turnout-{digest()}.pyz"
