# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every public variable of every role is specified, with the default that it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path for path in (Path(__file__).parents[2] / "roles").iterdir() if (path / "meta").is_dir())
Options = dict[str, dict[str, Any]]


def defaults(role: Path) -> dict[str, Any]:
    path = role / "defaults" / "main.yml"
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


def entry_points(role: Path) -> dict[str, Options]:
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    return {name: spec.get("options") or {} for name, spec in specs.items()}


def computed(value: object) -> bool:
    """The default is made from other variables. A spec may leave it to words: one that repeats it fails without them."""
    return "{{" in str(value)


def nested(options: Options) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, option in options.items():
        yield name, option
        for inner, spec in nested(option.get("options") or {}):
            yield f"{name}.{inner}", spec


def test_the_roles_are_found() -> None:
    assert {"haproxy", "deploy"} <= {role.name for role in ROLES}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
class TestRole:
    def test_every_default_is_specified(self, role: Path) -> None:
        specified = set().union(*entry_points(role).values())
        assert {name for name in defaults(role) if not name.startswith("__")} <= specified

    def test_every_option_has_the_default_that_it_says(self, role: Path) -> None:
        wrong = []
        given = defaults(role)
        for entry, options in entry_points(role).items():
            for name, option in options.items():
                if name in given and computed(given[name]):
                    good = option.get("default", given[name]) == given[name]
                elif name in given:
                    good = not option.get("required") and "default" in option and option["default"] == given[name]
                else:
                    good = "default" not in option
                if not good:
                    wrong.append(f"{entry}: {name}: spec {option.get('default')!r}, defaults/main.yml {given.get(name)!r}")
        assert not wrong

    def test_every_option_has_type_and_description(self, role: Path) -> None:
        for entry, options in entry_points(role).items():
            for name, option in nested(options):
                assert {"type", "description"} <= set(option), f"{entry}: {name}"

    def test_entry_points_agree(self, role: Path) -> None:
        seen: Options = {}
        for options in entry_points(role).values():
            for name, option in options.items():
                assert seen.setdefault(name, option) == option, name

    def test_every_entry_point_is_a_task_file(self, role: Path) -> None:
        for entry in entry_points(role):
            assert (role / "tasks" / f"{entry}.yml").exists(), entry

    def test_public_names_begin_with_the_role(self, role: Path) -> None:
        assert [name for name in defaults(role) if not name.startswith((f"{role.name}_", f"__{role.name}_"))] == []
        names = set().union(*entry_points(role).values())
        assert [name for name in names if not name.startswith((f"{role.name}_", "bluegreen_"))] == []
