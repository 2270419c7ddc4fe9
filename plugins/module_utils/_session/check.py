# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: does a session of one colour hold on the other one, and is the store fit?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import BadInput
from .client import ask
from .errors import SessionLost
from .findings import FAIL, PASS, WARN, Finding, rows, sentence, verdict
from .script import LOGIN_OPTIONS, STEP_OPTIONS, Step, Way, parse_check, parse_login
from .store import STORE_OPTIONS, Store
from .visitor import Ask, Look, Visitor

OPTIONS: dict[str, dict[str, Any]] = {
    "service": {"type": "str", "required": True},
    "stable": {"type": "str", "required": True, "choices": ["blue", "green"]},
    "candidate": {"type": "str", "required": True, "choices": ["blue", "green"]},
    # no_log: what of the options is shown is decided here, see `shown`, and the rest is kept out of the log of the host.
    "base_url": {"type": "str", "default": "http://127.0.0.1:8404", "no_log": True},
    "login": {"type": "list", "elements": "dict", "options": LOGIN_OPTIONS, "no_log": True},
    "cookie": {"type": "str", "no_log": True},
    "check": {"type": "dict", "options": STEP_OPTIONS, "no_log": True},
    "repeat": {"type": "int", "default": 4},
    "new_session": {"type": "bool", "default": True},
    "headers": {"type": "dict", "no_log": True},
    "host_header": {"type": "str"},
    "colour_header": {"type": "str", "default": "X-Bluegreen-Colour"},
    "timeout": {"type": "float", "default": 5.0},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "on_fail": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
    **STORE_OPTIONS,
}
_SECRET = ("login", "cookie", "check", "headers", "redis_url")
_HIDDEN = "********"
_MOST = 100


@dataclass(frozen=True)
class SessionCheck:
    """What to ask. See the module ``session_check`` for each."""

    stable: str
    candidate: str
    ways: dict[str, Way]
    colour_header: str
    login: Sequence[Step]
    cookie: str | None
    check: Step | None
    repeat: int
    new_session: bool
    store: Store | None
    on_fail: str

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> SessionCheck:
        """Check the options of the module, which Ansible has validated.

        Raises:
            BadInput: an option that can not be meant, or nothing to ask.
        """
        stable, candidate = params["stable"], params["candidate"]
        if stable == candidate:
            raise BadInput(f"stable and candidate are both {stable}: expected one of each colour")
        _ask_something(params)
        if not 1 <= params["repeat"] <= _MOST:
            raise BadInput(f"repeat is {params['repeat']}: expected 1 to {_MOST}")
        if not params["timeout"] > 0:
            raise BadInput(f"timeout is {params['timeout']:g}: expected more than 0 seconds")
        if not re.match(r"https?://", params["base_url"]):
            raise BadInput("base_url must begin with http:// or https://")
        login = parse_login(params["login"] or [])
        check = parse_check(params["check"], login) if params["check"] else None
        ways = {colour: _way(params, colour) for colour in (stable, candidate)}
        for step in (*login, *filter(None, [check])):
            step.request(ways[stable], {}, None)  # what can not be sent is found before anything is
        store = Store.parse(params) if params["redis_url"] else None
        return cls(
            stable,
            candidate,
            ways,
            params["colour_header"],
            login,
            params["cookie"],
            check,
            params["repeat"],
            params["new_session"] and bool(login),
            store,
            params["on_fail"],
        )

    @property
    def requests(self) -> list[str]:
        """What each request is called, in their order."""
        return [step.label for step in (*self.login, *filter(None, [self.check]))]

    def plan(self) -> dict[str, Any]:
        """What would be asked, for check mode."""
        words = [f"log in through {self.stable}"] if self.login else []
        words += (
            [f"look through {self.stable}, {self.candidate} and {self.stable} whether the session is there"] if self.check else []
        )
        words += [f"log in through {self.candidate} and look through {self.stable}"] if self.new_session else []
        words += [f"look at the Redis at {self.store.place}"] if self.store else []
        return {
            "msg": f"Would {', '.join(words)}; nothing was asked",
            "requests": self.requests,
            "findings": [],
            "verdict": None,
            "redis": None,
        }


def session_check(options: SessionCheck, ask_one: Ask = ask) -> dict[str, Any]:
    """Ask, and judge.

    Args:
        options: what to ask.
        ask_one: sends one request.

    Returns:
        The return values of the module.

    Raises:
        SessionLost: a finding is a no, unless that is only to be reported.
        WrongColour: another colour answered than was asked.
    """
    findings: list[Finding] = []
    if options.check is not None:
        findings += _Continuity(options, options.check, ask_one).findings()
    store = None
    if options.store is not None:
        seen, store = options.store.look()
        findings += seen
    answer = _answer(findings, store)
    if answer["verdict"] == FAIL and options.on_fail == "fail":
        error = SessionLost(sentence(findings), "move no traffic; make sessions hold on both colours first")
        error.details = {**answer, "requests": options.requests}
        raise error
    told = sentence(findings) or f"{len(findings)} questions about sessions are answered yes"
    return {"msg": told, "requests": options.requests, **answer}


def shown(params: Mapping[str, Any]) -> dict[str, Any]:
    """The options as they may be shown: nothing of what logs in."""
    hidden = {name: _HIDDEN for name in _SECRET if params.get(name) is not None}
    # Greedy, because a slash in a password makes it no less secret.
    return {**params, **hidden, "base_url": re.sub(r"//.*@", "//", params.get("base_url") or "")}


class _Continuity:
    """The way of one user over both colours and back, and of one who came in between."""

    def __init__(self, options: SessionCheck, check: Step, ask_one: Ask) -> None:
        self._options, self._check, self._ask = options, check, ask_one
        self._stable, self._candidate = options.stable, options.candidate

    def findings(self) -> list[Finding]:
        control = self._control()
        user = self._visitor()
        came_in = self._enter(user, self._stable, "login")
        findings = [control, came_in]
        if came_in.severity == FAIL:
            return findings
        on_stable = self._held(user, "stable", self._stable, 1)
        findings.append(on_stable)
        if on_stable.severity == FAIL:
            return findings  # nothing can be carried that is not there
        findings.append(self._held(user, "candidate", self._candidate, self._options.repeat))
        findings.append(self._held(user, "back", self._stable, self._options.repeat))
        if self._options.new_session:
            findings.append(self._new_session())
        return findings

    def _visitor(self) -> Visitor:
        return Visitor(self._options.ways, self._options.colour_header, self._ask)

    def _control(self) -> Finding:
        """A check that everybody passes proves nothing."""
        told = []
        for colour in (self._stable, self._candidate):
            seen = self._visitor().look(self._check, colour)
            if not seen.failure:
                told.append(
                    f"{self._check.label} passes on {colour} without a login, so it proves nothing: "
                    "ask for a page, or expect a text, that only a user has who is logged in"
                )
            elif not 0 < seen.status < 500:
                why = f"status {seen.status}" if seen.status else seen.failure
                told.append(f"{self._check.label} without a login on {colour}: {why}; expected a refusal such as 401 or 302")
        return Finding(
            "control", FAIL if told else PASS, "; ".join(told) or "nobody is logged in without a session, on either colour"
        )

    def _enter(self, user: Visitor, colour: str, check: str) -> Finding:
        if self._options.cookie is not None:
            user.jar.put(self._options.cookie)
            return Finding(check, PASS, f"cookies were given: {_names(user)}")
        failure = user.login(self._options.login, colour)
        if failure:
            return Finding(check, FAIL, f"on {colour}, {failure}")
        if user.refused:
            return Finding(
                check,
                WARN,
                f"on {colour}, cookies for another host were refused: {', '.join(sorted(set(user.refused)))}; "
                "host_header must be the name that users come by",
            )
        return Finding(check, PASS, f"requests to {colour}: {len(self._options.login)}; cookies: {_names(user)}")

    def _held(self, user: Visitor, check: str, colour: str, times: int) -> Finding:
        before = user.jar.content()
        looks = [user.look(self._check, colour) for _number in range(times)]
        failed = [look for look in looks if look.failure]
        if failed:
            return Finding(check, FAIL, f"{_lost(self._check, colour, looks, failed)} (cookies: {_names(user)})")
        anew = sorted(name for name, value in user.jar.content().items() if before.get(name) != value)
        also = f"; it has set anew: {', '.join(anew)}" if anew else ""
        return Finding(check, PASS, f"the session holds on {colour}, {times} of {times} requests{also}")

    def _new_session(self) -> Finding:
        """Who logs in after the switch must not be logged out by a rollback."""
        user = self._visitor()
        came_in = self._enter(user, self._candidate, "new_session")
        if came_in.severity == FAIL:
            return came_in
        for colour in (self._candidate, self._stable):
            held = self._held(user, "new_session", colour, self._options.repeat)
            if held.severity == FAIL:
                return Finding("new_session", FAIL, f"after a login on {self._candidate}, {held.evidence}")
        return Finding("new_session", PASS, f"a session that began on {self._candidate} holds on {self._stable}")


def _lost(check: Step, colour: str, looks: Sequence[Look], failed: Sequence[Look]) -> str:
    reasons = ", ".join(sorted({look.failure for look in failed}))
    return f"the session is not there on {colour}, {len(failed)} of {len(looks)} requests {check.label}: {reasons}"


def _names(user: Visitor) -> str:
    return ", ".join(sorted(user.jar.content())) or "none"


def _answer(findings: Sequence[Finding], store: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"findings": rows(findings), "verdict": verdict(findings), "redis": store}


def _ask_something(params: Mapping[str, Any]) -> None:
    if params["login"] and params["cookie"]:
        raise BadInput("login and cookie are both given: expected one of them")
    comes_in = bool(params["login"] or params["cookie"])
    if comes_in != bool(params["check"]):
        given, missing = ("login or cookie", "check") if comes_in else ("check", "login or cookie")
        raise BadInput(f"{given} is given without {missing}", "say how to log in, and what only a user sees who is logged in")
    if not comes_in and not params["redis_url"]:
        raise BadInput("neither login, cookie nor redis_url is given: nothing would be asked")


def _way(params: Mapping[str, Any], colour: str) -> Way:
    headers = {str(name): str(value) for name, value in (params["headers"] or {}).items()}
    headers.update(
        {"X-Bluegreen-Preview": colour, "X-Bluegreen-Service": params["service"], "User-Agent": "turnout-session-check"}
    )
    rest = {name: params[name] for name in ("host_header", "timeout", "validate_certs", "ca_path")}
    return Way(params["base_url"], headers, **rest)
