"""The way of a user over both colours, on an application in memory."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.module_utils._health.expectations import Response
from ansible_collections.turnout.bluegreen.plugins.module_utils._probe.errors import WrongColour
from ansible_collections.turnout.bluegreen.plugins.module_utils._session.check import OPTIONS, SessionCheck, session_check, shown
from ansible_collections.turnout.bluegreen.plugins.module_utils._session.client import Answer, NoAnswer
from ansible_collections.turnout.bluegreen.plugins.module_utils._session.errors import SessionLost

PASSWORD = "hunter2-of-ann"
LOGIN = [{"path": "/login", "form": {"user": "ann", "password": PASSWORD}}]
ASKED = {"service": "shop", "stable": "blue", "candidate": "green", "login": LOGIN, "check": {"path": "/me"}}


class Shop:
    """Both colours of an application. Sessions are kept by the name that a colour has for their store."""

    def __init__(self, **stores):
        self.stores = {"blue": "one", "green": "one", **stores}
        self.sessions: dict[str, set[str]] = {"one": set(), "other": set()}
        self.asked = []
        self.colour = self.everybody = self.ends = self.silent = None
        self.flaky = 0
        self.refuses_login = False
        self.status = 401

    def __call__(self, target, body, timeout):
        line, *lines = target.request.decode().split("\r\n")
        headers = {name.lower(): value for name, _colon, value in (one.partition(": ") for one in lines)}
        colour, path = headers["x-bluegreen-preview"], line.split()[1]
        self.asked.append(f"{colour} {path}")
        if colour == self.silent:
            raise NoAnswer("connection refused")
        store = self.sessions[self.stores[colour]]
        status = 200
        cookies: list[str] = []
        if path == "/login":
            assert parse_qs(body.decode())["password"] == [PASSWORD]
            session = f"secret{len(self.asked)}"
            store.add(session)
            status, cookies = (403, []) if self.refuses_login else (302, [f"session={session}; Path=/"])
        else:
            session = headers.get("cookie", "").partition("=")[2]
            self.flaky -= colour == "green" and session != ""
            known = session in store and self.flaky != 1
            status = 200 if known or self.everybody == colour else self.status
            if self.ends == colour and known:
                cookies = ["session=; Path=/; Max-Age=0"]
        return Answer(Response(status, {"x-bluegreen-colour": colour if self.colour is None else self.colour}), [], cookies)


def parsed(**given):
    checked = ArgumentSpecValidator(OPTIONS).validate({**ASKED, **given})
    assert not checked.error_messages
    return SessionCheck.parse(checked.validated_parameters)


def asked(shop, **given):
    """Severity by question, and the answer."""
    answer = session_check(parsed(on_fail="report", **given), shop)
    return {finding["check"]: finding["severity"] for finding in answer["findings"]}, answer


ALL = ("control", "login", "stable", "candidate", "back", "new_session")
GOOD = dict.fromkeys(ALL, "pass")


def test_a_shared_store_is_good():
    shop = Shop()
    severities, answer = asked(shop, repeat=2)
    assert (severities, answer["verdict"]) == (GOOD, "pass")
    control, user, other = ["blue /me", "green /me"], ["blue /login", "blue /me", "green /me", "green /me"], ["green /login"]
    assert shop.asked == [*control, *user, "blue /me", "blue /me", *other, "green /me", "green /me", "blue /me", "blue /me"]


def test_sessions_that_only_one_colour_knows():
    severities, answer = asked(Shop(green="other"))
    assert severities == {**GOOD, "candidate": "fail", "new_session": "fail"}
    with pytest.raises(SessionLost, match="candidate: the session is not there on green, 4 of 4") as error:
        session_check(parsed(), Shop(green="other"))
    assert error.value.details["findings"] == answer["findings"]


def test_one_server_of_the_candidate_that_does_not_know_it():
    shop = Shop()
    shop.flaky = 4
    severities, answer = asked(shop)
    assert severities == {**GOOD, "candidate": "fail"}
    assert "1 of 4 requests" in answer["msg"]


def test_a_candidate_that_ends_the_session():
    shop = Shop()
    shop.ends = "green"
    severities, _answer = asked(shop, repeat=1)
    assert severities == {**GOOD, "back": "fail", "new_session": "fail"}


@pytest.mark.parametrize("colour", ["blue", "green"])
def test_a_check_that_everybody_passes_proves_nothing(colour):
    shop = Shop()
    shop.everybody = colour
    severities, answer = asked(shop)
    assert severities["control"] == "fail"
    assert f"passes on {colour} without a login" in answer["msg"]


def test_a_control_that_is_no_refusal():
    shop = Shop()
    shop.status = 503
    severities, answer = asked(shop)
    assert severities["control"] == "fail"
    assert "status 503; expected a refusal" in answer["msg"]


def test_nothing_is_carried_that_is_not_there():
    shop = Shop()
    shop.refuses_login = True
    severities, answer = asked(shop)
    assert severities == {"control": "pass", "login": "fail"}
    assert "login[0] POST /login: status 403" in answer["msg"]
    severities, _answer = asked(Shop(), check={"path": "/me", "status": ["204"]})
    assert severities == {"control": "pass", "login": "pass", "stable": "fail"}


def test_a_candidate_that_does_not_answer():
    shop = Shop()
    shop.silent = "green"
    severities, answer = asked(shop)
    assert severities == {**GOOD, "control": "fail", "candidate": "fail", "new_session": "fail"}
    assert "connection refused" in answer["msg"]


def test_another_colour_than_was_asked():
    shop = Shop()
    shop.colour = "blue"
    with pytest.raises(WrongColour, match="asked of green, answered by blue"):
        asked(shop)
    for colour in ("<secret>", ""):
        shop.colour = colour
        with pytest.raises(WrongColour, match="a colour that it does not name"):
            asked(shop)


def test_a_session_that_is_given():
    shop = Shop()
    shop.sessions["one"].add("given")
    severities, _answer = asked(shop, login=None, cookie="session=given")
    assert severities == {name: "pass" for name in ALL if name != "new_session"}
    assert not any("/login" in one for one in shop.asked)


def test_no_secret_is_in_any_answer():
    for shop in (Shop(), Shop(green="other")):
        _severities, answer = asked(shop)
        assert PASSWORD not in json.dumps(answer)
        assert "secret" not in json.dumps(answer)
    options = {**ASKED, "cookie": "session=secret", "redis_url": "redis://:secret@h", "headers": {"A": "secret"}}
    told = json.dumps(shown({**options, "base_url": "http://u:sec/ret@h:1"}))
    assert "secret" not in told
    assert PASSWORD not in told
    assert "sec/ret" not in told


def test_check_mode_says_what_would_be_asked():
    plan = parsed().plan()
    assert plan["requests"] == ["login[0] POST /login", "check GET /me"]
    assert plan["verdict"] is None
    assert plan["msg"].endswith("nothing was asked")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"candidate": "blue"}, "both blue"),
        ({"cookie": "a=b"}, "both given"),
        ({"check": None}, "without check"),
        ({"login": None}, "without login or cookie"),
        ({"login": None, "check": None}, "nothing would be asked"),
        ({"repeat": 0}, "repeat is 0"),
        ({"timeout": 0}, "timeout is 0"),
        ({"base_url": "ftp://x"}, "base_url must begin"),
        ({"redis_url": "http://x"}, "redis_url must begin"),
        ({"redis_url": "redis://h", "redis_max_latency_ms": 0}, "redis_max_latency_ms is 0"),
        ({"redis_url": "redis://h", "redis_max_memory_percent": 101}, "redis_max_memory_percent is 101"),
        ({"check": {"path": "/me", "body_regex": "("}}, "no regular expression"),
    ],
)
def test_options_that_can_not_be_meant(given, told):
    with pytest.raises(BadInput, match=told):
        parsed(**given)
