# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zipapp: complete, repeatable, and named after what is in it."""

from __future__ import annotations

import ast
import io
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.turnout.bluegreen.plugins.plugin_utils import _zipapp

INTERPRETER = "/usr/bin/python3"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the sources that a test may change."""
    copied = tmp_path / "module_utils"
    shutil.copytree(_zipapp._SOURCE, copied)
    monkeypatch.setattr(_zipapp, "_SOURCE", copied)
    _zipapp.digest.cache_clear()
    yield copied
    _zipapp.digest.cache_clear()


def members() -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(_zipapp.build(INTERPRETER))) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def imported(name: str, text: str) -> Iterator[tuple[str, bool]]:
    """What a member imports: file names without suffix for the archive's own, and top modules of all others."""
    package = name.split("/")[:-1]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = node.module or ""
            yield (module.replace(".", "/"), True) if module.startswith("turnout") else (module.partition(".")[0], False)
        elif isinstance(node, ast.ImportFrom):
            folder = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
            yield "/".join(folder), True
            if not node.module or "/".join(folder) + "/__init__.py" in members():
                yield from (("/".join([*folder, alias.name]), True) for alias in node.names)


@pytest.mark.parametrize("name", sorted(members()))
def test_all_that_a_member_imports_is_in_the_zipapp_or_in_every_python(name):
    inside = members()
    for target, own in imported(name, inside[name]):
        if own:
            assert {f"{target}.py", f"{target}/__init__.py"} & set(inside), f"{name} imports {target}"
        else:
            assert target in sys.stdlib_module_names, f"{name} imports {target}"


def test_providers_that_are_imported_by_name_are_inside():
    from ansible_collections.turnout.bluegreen.plugins.module_utils._traffic.command import PROVIDERS

    assert {f"turnout/_{kind}/provider.py" for kind in PROVIDERS} <= set(members())


def test_the_same_sources_give_the_same_bytes():
    assert _zipapp.build(INTERPRETER) == _zipapp.build(INTERPRETER)
    assert _zipapp.build(INTERPRETER).startswith(b"#!/usr/bin/python3 -I\nPK")
    assert _zipapp.build("/opt/python") != _zipapp.build(INTERPRETER)


def test_the_name_carries_the_digest():
    assert _zipapp.file_name() == f"turnout-{_zipapp.digest()}.pyz"
    assert len(_zipapp.digest()) == 12
    assert int(_zipapp.digest(), 16) >= 0


@pytest.mark.parametrize("name", ["_router.py", "_traffic/engine.py", "_haproxy/stats.py"])
def test_a_changed_source_is_another_version(source, name):
    before = _zipapp.digest()
    _zipapp.digest.cache_clear()
    assert _zipapp.digest() == before
    with (source / name).open("a") as file:
        file.write("#")
    _zipapp.digest.cache_clear()
    assert _zipapp.digest() != before


def test_a_new_or_a_moved_source_is_another_version(source):
    before = _zipapp.digest()
    (source / "_traffic" / "more.py").write_text("")
    _zipapp.digest.cache_clear()
    added = _zipapp.digest()
    (source / "_traffic" / "more.py").rename(source / "_haproxy" / "more.py")
    _zipapp.digest.cache_clear()
    assert len({before, added, _zipapp.digest()}) == 3


def test_what_a_router_does_not_need_makes_no_new_version(source):
    before = _zipapp.digest()
    (source / "_module.py").write_text("changed")
    (source / "_traffic" / "notes.txt").write_text("changed")
    _zipapp.digest.cache_clear()
    assert _zipapp.digest() == before
