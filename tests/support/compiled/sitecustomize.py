# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compile what Ansible sends to a host in a zip once, and not for each module that runs.

A module comes with all it imports as source in a zip, and Python keeps no compiled code for zips: a quarter of the time
of a module that does little. Python imports this file at its start when its folder is on PYTHONPATH. The compiled code
is found by a hash of its source, the one that Python itself takes for that (PEP 552), so it is never of another source.
"""

from __future__ import annotations

import marshal
import os
import sys
import zipimport
from importlib.util import source_hash
from types import CodeType

FOLDER = os.environ.get("TURNOUT_COMPILED", "")
_compile = zipimport._compile_source  # type: ignore[attr-defined]


def compiled(path: str, source: bytes) -> CodeType:
    """In place of ``zipimport._compile_source``; without a folder that can be read or written it does the same."""
    kept = os.path.join(FOLDER, f"{sys.implementation.cache_tag}-{source_hash(source).hex()}")
    try:
        with open(kept, "rb") as file:
            found: CodeType = marshal.load(file)
            return found
    except OSError:
        pass
    code: CodeType = _compile(path, source)
    try:
        with open(f"{kept}.{os.getpid()}", "xb") as file:
            marshal.dump(code, file)
        os.replace(f"{kept}.{os.getpid()}", kept)
    except OSError:  # it is only quicker with it
        pass
    return code


if FOLDER:
    zipimport._compile_source = compiled  # type: ignore[attr-defined]
