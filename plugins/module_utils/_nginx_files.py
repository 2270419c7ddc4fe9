# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's configuration as it would be, in one text, so that nginx can be asked about it before a file is replaced."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from ._errors import StorageError
from ._files import read_text

# include <file or mask>; https://nginx.org/en/docs/ngx_core_module.html#include
_INCLUDE = re.compile(r"""(?P<before>(?:^|[^#]*?[\s;{}])\s*)include\s+(?P<quote>["']?)(?P<mask>[^\s;"'#]+)(?P=quote)\s*;""")


class Line(NamedTuple):
    """A line of the one text, and the file and the line of it that it comes from."""

    text: str
    path: str
    number: int


class Tree:
    """The main configuration file and all that it includes, some of the files with another content than on disk.

    Args:
        main: path of the main configuration file; names of included files are relative to its directory.
        contents: the content that files would have, by path.

    ``lines`` is the whole as one text: an include that leads to one of ``contents`` is replaced by what it includes, every
    other one stays. ``included`` names those of ``contents`` that the configuration reaches.
    """

    def __init__(self, main: str, contents: Mapping[str, str]) -> None:
        self._main, self._names = main, list(contents)
        self._contents = {os.path.realpath(path): text for path, text in contents.items()}
        self._reached: set[str] = set()
        self.lines = self._read(main, ())[0]
        self.included = [path for path in contents if os.path.realpath(path) in self._reached]

    def text(self) -> str:
        """The whole configuration in one text."""
        return "".join(f"{line.text}\n" for line in self.lines)

    def explain(self, answer: str, trial: str) -> str:
        """nginx's answer about the one text, with the names and lines of the files that it was made from.

        Args:
            answer: what ``nginx -t`` has printed.
            trial: path of the file that it was asked about.
        """

        def origin(found: re.Match[str]) -> str:
            number = min(max(int(found[1]), 1), len(self.lines))
            return f"{self.lines[number - 1].path}:{self.lines[number - 1].number}"

        return re.sub(rf"{re.escape(trial)}:(\d+)", origin, answer).replace(trial, self._main)

    def _read(self, path: str, above: tuple[str, ...]) -> tuple[list[Line], bool]:
        """The lines of a file with its includes, and whether it is, or leads to, one that would have another content."""
        real = os.path.realpath(path)
        if real in above:
            return [], False
        text = self._contents.get(real)
        found = text is not None
        if found:
            self._reached.add(real)
        else:
            text = _text(path)
        lines = []
        for number, line in enumerate((text or "").splitlines(), 1):
            rest = line
            while include := _INCLUDE.match(rest):
                inner = [self._read(name, (*above, real)) for name in self._files(include["mask"])]
                if any(leads for _lines, leads in inner):
                    found = True
                    lines.append(Line(include["before"], path, number))
                    lines += [inner_line for inner_lines, _leads in inner for inner_line in inner_lines]
                else:
                    lines.append(Line(include[0], path, number))
                rest = rest[include.end() :]
            if rest == line or rest.strip():
                lines.append(Line(rest, path, number))
        return lines, found

    def _files(self, mask: str) -> list[str]:
        """The files that nginx would read for a mask, in its order."""
        mask = os.path.join(os.path.dirname(self._main), mask)
        return sorted({*glob.glob(mask), *(path for path in self._names if _matches(path, mask))} or {mask})


def _matches(path: str, mask: str) -> bool:
    """A mask's ``*`` does not go beyond a directory, as in glob(7)."""
    return path.count("/") == mask.count("/") and fnmatch.fnmatchcase(path, mask)


def _text(path: str) -> str | None:
    """The file's text; None when it can not be read, which nginx says better than we."""
    try:
        return read_text(path)
    except StorageError:
        return None
