"""Reports of test tools, and files that pretend to be one."""

from __future__ import annotations

import os
import tracemalloc

import pytest
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import StorageError
from ansible_collections.turnout.bluegreen.plugins.module_utils._junit import KEPT, FailedTests, ReportError, parse, read_report
from ansible_collections.turnout.bluegreen.plugins.modules.junit_report import answer

SUITE = b"""<?xml version="1.0" encoding="utf-8"?>
<testsuites name="all"><testsuite name="smoke" tests="5" errors="1" failures="1" skipped="1">
<testcase classname="smoke.cart" name="pays" time="0.1"/>
<testcase classname="smoke.cart" name="ships"><failure message="500 != 200">Traceback</failure></testcase>
<testcase classname="smoke.cart" name="gifts"><skipped/></testcase>
<testcase name="loads"><error type="OSError"> no route
to host</error></testcase>
<testcase classname="smoke.cart" name="caf\xc3\xa9"><system-out>failure</system-out></testcase>
</testsuite></testsuites>"""


def suite(text, **attributes):
    given = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<testsuite{given}>{text}</testsuite>".encode()


def counted(*chunks):
    report = parse(chunks, "r.xml")
    return report.tests, report.passed, report.failed, report.skipped


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_report_however_it_comes(size):
    report = parse([SUITE[at : at + size] for at in range(0, len(SUITE), size)], "r.xml")
    assert (report.tests, report.passed, report.failed, report.skipped, report.declared) == (5, 2, 2, 1, 2)
    assert [str(one) for one in report.failures] == ["smoke.cart.ships: 500 != 200", "loads: OSError"]
    assert [one.kind for one in report.failures] == ["failure", "error"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<testcase name='a'><failure/><error/></testcase>", (1, 0, 1, 0)),
        ("<testcase name='a'><skipped/><failure/></testcase>", (1, 0, 1, 0)),
        ("<error message='no import'/><testcase name='a'/>", (1, 0, 1, 0)),
        ("<testsuite><testcase/></testsuite><testsuite><testcase><failure/></testcase></testsuite>", (2, 1, 1, 0)),
        ("<x:testcase xmlns:x='urn:y'><x:failure/></x:testcase>", (1, 0, 1, 0)),
        ("", (0, 0, 0, 0)),
    ],
)
def test_how_tools_differ(text, expected):
    assert counted(suite(text)) == expected


def test_the_text_of_a_failure_without_a_message():
    text = "<testcase name='a'><failure>\n  first line\nsecond</failure></testcase>"
    assert str(parse([suite(text)], "r.xml").failures[0]) == "a: first line"


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (b'<!DOCTYPE t [<!ENTITY a "x">]><testsuite>&a;</testsuite>', "document type"),
        (b'<!DOCTYPE t SYSTEM "file:///etc/passwd"><testsuite/>', "document type"),
        (b"<!DOCTYPE testsuite><testsuite/>", "document type"),
        (b"<testsuite>&undeclared;</testsuite>", "not the XML"),
        (b"<testsuite><testcase></testsuite>", "not the XML"),
        (b"<testsuite>", "not the XML"),
        (b"", "not the XML"),
        (b"not ok 1", "not the XML"),
        (b"<html><testcase/></html>", "begins with <html>"),
        (b'<?xml version="1.0" encoding="rot13"?><testsuite/>', "not the XML"),
        (b'<?xml version="1.0" encoding="no-such"?><testsuite/>', "not the XML"),
        (b"<testsuite name='\xff'/>", "not the XML"),
    ],
)
def test_what_is_no_report(document, told):
    with pytest.raises(ReportError, match=told):
        parse([document], "r.xml")


def test_entities_are_not_expanded():
    lines = [b'<!ENTITY a0 "ha">', *(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12))]
    document = b"<!DOCTYPE t [" + b"".join(lines) + b"]><testsuite>&a11;</testsuite>"
    tracemalloc.start()
    try:
        with pytest.raises(ReportError, match="document type"):
            parse([document], "r.xml")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_million_elements_need_little_memory():
    def chunks():
        yield b"<testsuite>"
        for _n in range(200):
            yield b"<testcase name='a'><failure message='x'/></testcase>" * 100
        yield b"<deep>" * 20_000 + b"</deep>" * 20_000
        yield b"<testcase><failure>"
        for _n in range(200):
            yield b"x" * 64 * 1024
        yield b"</failure></testcase></testsuite>"

    tracemalloc.start()
    try:
        report = parse(chunks(), "r.xml")
        assert tracemalloc.get_traced_memory()[1] < 15_000_000
    finally:
        tracemalloc.stop()
    assert (report.failed, len(report.failures)) == (20_001, KEPT)


def test_files(tmp_path):
    path = tmp_path / "r.xml"
    with pytest.raises(StorageError, match="is not there"):
        read_report(str(path), 100)
    path.write_bytes(SUITE)
    assert read_report(str(path), len(SUITE)).tests == 5
    with pytest.raises(ReportError, match=f"longer than {len(SUITE) - 1} bytes"):
        read_report(str(path), len(SUITE) - 1)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ReportError, match="no regular file"):
        read_report(str(tmp_path / "fifo"), 100)
    with pytest.raises(StorageError, match="directory"):
        read_report(str(tmp_path), 100)


def test_what_a_good_report_says():
    report = parse([suite("<testcase name='a'/><testcase name='b'><skipped/></testcase>")], "r.xml")
    assert answer(report, "r.xml", True)["msg"] == "2 tests, 1 passed, 0 failed, 1 skipped"


@pytest.mark.parametrize(
    ("document", "error", "told"),
    [
        (SUITE, FailedTests, "smoke.cart.ships: 500 != 200; loads: OSError"),
        (suite("<testcase name='a'><failure/></testcase>" * 12), FailedTests, "and 2 more"),
        (suite("<error message='no import'/>"), FailedTests, "a suite without a name: no import"),
        (suite(""), ReportError, "no test ran"),
        (suite("<testcase name='a'><skipped/></testcase>"), ReportError, "no test ran"),
        (suite("<testcase name='a'/>", failures="1"), ReportError, "1 failures and errors, of which 0 are listed"),
    ],
)
def test_what_is_a_no(document, error, told):
    report = parse([document], "r.xml")
    with pytest.raises(error, match=told) as raised:
        answer(report, "r.xml", True)
    assert raised.value.details["counts"]["tests"] == report.tests


def test_failures_may_be_reported_only():
    report = parse([SUITE], "r.xml")
    assert answer(report, "r.xml", False)["counts"] == {"tests": 5, "passed": 2, "failed": 2, "skipped": 1}
