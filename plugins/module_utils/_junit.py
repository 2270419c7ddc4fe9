# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a report in the JUnit format, as test tools write it.

There is no standard; what tools agree on is ``testsuites`` / ``testsuite`` / ``testcase``, with ``failure``, ``error`` and
``skipped`` in a test case (https://github.com/testmoapp/junitxml). The XML may come from anywhere: its size is bounded, it
is read as a stream, and a document type is refused, so that no entity can be declared, expanded or fetched
(https://docs.python.org/3/library/xml.html#xml-security).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError, XMLParser

from ._errors import StorageError, TurnoutError

#: So many failures are kept, and so many characters of what each says.
KEPT = 100
_MESSAGE = 2000
_NAME = 300
_CHUNK = 64 * 1024


class ReportError(TurnoutError):
    """A report that is none, or tells of no test."""

    reason = "report"


class FailedTests(TurnoutError):
    """The report tells of tests that have failed."""

    reason = "tests"


@dataclass(frozen=True)
class Failure:
    """A test that has failed. ``kind`` is failure or error."""

    name: str
    kind: str
    message: str

    def __str__(self) -> str:
        first = self.message.strip().partition("\n")[0]
        return f"{self.name}: {first}" if first else self.name


@dataclass
class Report:
    """What a report tells.

    ``failed`` counts test cases, and what a suite says of itself beside them; ``declared`` is the most failures and errors
    that one suite says it has.
    """

    tests: int = 0
    failed: int = 0
    skipped: int = 0
    declared: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def passed(self) -> int:
        return max(0, self.tests - self.failed - self.skipped)


def read_report(path: str, most: int) -> Report:
    """Read a report.

    Args:
        path: the file.
        most: its size in bytes at most.

    Raises:
        StorageError: it can not be read.
        ReportError: it is too long, no XML, has a document type, or is no such report.
    """
    try:
        with open(path, "rb", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ReportError(f"{path} is no regular file")
            return parse(_bounded(file, path, most), path)
    except FileNotFoundError as error:
        raise StorageError(f"{path} is not there", "look at the output of the command that was to write it") from error
    except OSError as error:
        raise StorageError(f"{path} can not be read: {error.strerror or error}") from error


def parse(chunks: Iterable[bytes], name: str) -> Report:
    """Read a report that comes in pieces; ``name`` is for errors.

    Raises:
        ReportError: it is no XML, has a document type, or is no such report.
    """
    target = _Target(name)
    parser = XMLParser(target=target)
    try:
        for chunk in chunks:
            parser.feed(chunk)
        parser.close()
    except (ParseError, ValueError, LookupError) as error:  # the latter two for an encoding that is none
        raise ReportError(f"{name} is not the XML of a report: {error}") from error
    return target.report


def _open(path: str, flags: int) -> int:
    """Opening a FIFO would wait for somebody who writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _bounded(file: BinaryIO, path: str, most: int) -> Iterable[bytes]:
    size = 0
    while True:
        chunk = file.read(_CHUNK)
        if not chunk:
            return
        size += len(chunk)
        if size > most:
            raise ReportError(f"{path} is longer than {most} bytes", "raise max_bytes, or let the tests write less")
        yield chunk


class _Target:
    """Gets what the parser sees, and keeps only what a report needs: no tree, so that depth and number cost no memory."""

    def __init__(self, name: str) -> None:
        self.report = Report()
        self._name = name
        self._depth = 0
        self._case: str | None = None
        self._bad = self._skipped = False
        self._suite = ""
        self._kind = ""
        self._message: list[str] = []
        self._room = 0

    def doctype(self, *_declared: Any) -> None:
        raise ReportError(f"{self._name} has a document type, which a report does not need and which may do harm")

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        tag = _local(tag)
        if not self._depth and tag not in ("testsuites", "testsuite"):
            raise ReportError(f"{self._name} begins with <{tag[:_NAME]}>: expected <testsuites> or <testsuite>")
        self._depth += 1
        if tag in ("testsuites", "testsuite"):
            self._suite = attributes.get("name", "")
            declared = sum(_count(attributes.get(name)) for name in ("failures", "errors"))
            self.report.declared = max(self.report.declared, declared)
        elif tag == "testcase":
            self.report.tests += 1
            names = filter(None, (attributes.get("classname"), attributes.get("name")))
            self._case = ".".join(names) or "a test without a name"
            self._bad = self._skipped = False
        elif tag == "skipped":
            self._skipped = True
        elif tag in ("failure", "error"):
            self._kind = tag
            self._message = [attributes.get("message") or attributes.get("type") or ""]
            self._room = 0 if self._message[0] else _MESSAGE

    def data(self, text: str) -> None:
        if self._kind and self._room > 0:
            self._message.append(text[: self._room])
            self._room -= len(text)

    def end(self, tag: str) -> None:
        tag = _local(tag)
        self._depth -= 1
        if tag in ("failure", "error") and self._kind:
            self._add()
        elif tag == "testcase":
            self.report.skipped += self._skipped and not self._bad
            self._case = None

    def close(self) -> None:
        """Nothing is left to do."""

    def _add(self) -> None:
        report = self.report
        if self._case is None or not self._bad:  # a case that has both a failure and an error has failed once
            report.failed += 1
        self._bad = self._case is not None
        if len(report.failures) < KEPT:
            name = self._case or self._suite or "a suite without a name"
            report.failures.append(Failure(name[:_NAME], self._kind, "".join(self._message)[:_MESSAGE].strip()))
        self._kind = ""


def _local(tag: str) -> str:
    """Without its namespace."""
    return tag.rpartition("}")[2]


def _count(value: str | None) -> int:
    value = (value or "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0
