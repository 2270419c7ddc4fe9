"""JUnit files: each check leaves one, `make test` counts them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One test: its name, how long it took in seconds, and what went wrong ("" for nothing)."""

    name: str
    seconds: float
    failure: str = ""


@dataclass(frozen=True)
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


def write(path: Path, suite: str, cases: list[Case]) -> None:
    root = ET.Element("testsuite", name=suite, tests=str(len(cases)))
    for case in cases:
        element = ET.SubElement(root, "testcase", classname=suite, name=case.name, time=f"{case.seconds:.3f}")
        if case.failure:
            ET.SubElement(element, "failure", message=f"{case.name} failed").text = case.failure
    path.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def count(folder: Path) -> Count:
    """The tests in all JUnit files under `folder`."""
    total = Count()
    for path in sorted(folder.rglob("*.xml")):
        for case in ET.parse(path).iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                total += Count(failed=1)
            elif case.find("skipped") is not None:
                total += Count(skipped=1)
            else:
                total += Count(passed=1)
    return total
