# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's configuration as one text: which includes are followed, and where a line comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx_files import Tree


def words(tree: Tree) -> str:
    return " ".join(tree.text().split())


@pytest.fixture
def main(tmp_path: Path) -> Path:
    """A configuration with a site that is included by a mask, and a file of types that nobody touches."""
    (tmp_path / "sites").mkdir()
    (tmp_path / "types").write_text("types { }\n")
    (tmp_path / "sites" / "a").write_text("server {\n  include ours/shop.conf;\n}")
    (tmp_path / "sites" / "b").write_text("# include ours/blog.conf;\nserver { }\n")
    path = tmp_path / "nginx.conf"
    path.write_text("events { }\nhttp {\n  include types;\n  include 'ours/http.conf';\n  include sites/*;\n}\n")
    return path


def test_what_would_change_is_included_and_the_rest_stays(main: Path) -> None:
    ours = main.parent / "ours"
    contents = {str(ours / name): f"# {name}\n" for name in ("http.conf", "shop.conf", "blog.conf")}
    tree = Tree(str(main), contents)
    assert tree.included == [str(ours / "http.conf"), str(ours / "shop.conf")]
    assert (
        words(tree)
        == "events { } http { include types; # http.conf server { # shop.conf } # include ours/blog.conf; server { } }"
    )


def test_what_leads_nowhere_new_is_left_to_nginx(main: Path) -> None:
    assert Tree(str(main), {}).text() == main.read_text()
    assert Tree(str(main), {str(main.parent / "elsewhere"): "x"}).text() == main.read_text()


def test_the_main_file_may_change_too(main: Path) -> None:
    new = main.parent / "ours" / "new.conf"
    tree = Tree(str(main), {str(main): "include ours/*.conf;", str(new): "one;"})
    assert words(tree) == "one;"
    assert tree.included == [str(main), str(new)]


def test_a_mask_stays_in_its_directory(main: Path) -> None:
    below = str(main.parent / "ours" / "deep" / "new.conf")
    assert Tree(str(main), {str(main): "include ours/*.conf;", below: "one;"}).included == [str(main)]


def test_several_includes_of_one_line_are_followed(main: Path) -> None:
    ours = {str(main.parent / name): f"{name};" for name in ("x", "y")}
    tree = Tree(str(main), {str(main): "http { include x; include types; include y; }", **ours})
    assert words(tree) == "http { x; include types; y; }"


def test_files_that_include_each_other_end(main: Path) -> None:
    ours = {str(main.parent / "x"): "include y;", str(main.parent / "y"): "include x;"}
    tree = Tree(str(main), {str(main): "include x;", **ours})
    assert words(tree) == "include x;"


def test_an_answer_names_the_real_file_and_line(main: Path) -> None:
    shop = main.parent / "ours" / "shop.conf"
    tree = Tree(str(main), {str(shop): "good;\nbad;\n"})
    trial = f"{main}.trial"
    number = tree.text().splitlines().index("bad;") + 1
    answer = f'[emerg] unknown directive "bad" in {trial}:{number}\nconfiguration file {trial} test failed'
    expected = f'[emerg] unknown directive "bad" in {shop}:2\nconfiguration file {main} test failed'
    assert tree.explain(answer, trial) == expected
    assert tree.explain(f"unexpected end of file in {trial}:999", trial) == f"unexpected end of file in {main}:6"
