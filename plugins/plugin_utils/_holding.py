# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until a person has answered on any router of a fleet.

The answer is in a router's journal. The task that has asked leaves a process for each router, which looks there again and again
over that router's own connection; one task reads what all of them have found, however few forks there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.turnout.bluegreen.plugins.module_utils._clock import SYSTEM, Clock
from ansible_collections.turnout.bluegreen.plugins.plugin_utils import _watch

#: From one look at a router's journal to the next, seconds.
LOOK_SECONDS = 2.0
GLANCE_SECONDS = 0.2
FEED = "hold"

GO, STOP, SILENCE, FENCED = "go", "stop", "silence", "fenced"
Looks = Iterable[tuple[str, Mapping[str, Any]]]


class Asker(Protocol):
    """The ``traffic`` action, as far as it is needed here."""

    router: str
    _connection: Any
    _task: Any

    def ask(self, params: dict[str, Any], info: bool = False) -> dict[str, Any]:
        """Do what the parameters ask for on the router; the module's return values."""

    def cleanup(self, force: bool = False) -> None:
        """Remove temporary files from the router."""


@dataclass(frozen=True)
class End:
    """How a wait has ended.

    Args:
        answer: ``go`` or ``stop``; ``silence`` when nobody has answered in time; ``fenced`` when another run has taken over.
        by: who.
        waited: seconds.
    """

    answer: str
    by: str
    waited: float


def directory(service: str) -> Path:
    """Where the looks of this run are collected; a bake of the same service has another place."""
    return _watch.directory(f"{service}/hold")


def start(action: Asker, params: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Look for the answer from now on, when the router has recorded that the release waits.

    Args:
        action: the action that has asked.
        params: what it has asked for.
        answer: what the router has answered.
    """
    if params["state"] != "held" or answer.get("failed") or action._task.check_mode:
        return
    service = params["service"]

    def look() -> Mapping[str, Any]:
        action._connection._shell.tmpdir = None  # that of the task is gone
        try:
            found = action.ask({"service": service}, info=True)
        finally:
            action.cleanup()
        journal = found.get("journal")
        if not journal:
            return {"error": found.get("msg", "there is no journal")}
        return {"epoch": journal["epoch"], "hold": journal["hold"], "changed_by": journal["changed_by"]}

    _watch.start(directory(service), action.router, FEED, look, LOOK_SECONDS)


def wait(
    new: Callable[[], Looks],
    epoch: int,
    seconds: float,
    say: Callable[[str], None],
    say_every: float,
    clock: Clock = SYSTEM,
) -> End:
    """Wait for the first answer on any router.

    Args:
        new: the looks since the last call, each with its router.
        epoch: of this run; a newer one ends the wait.
        seconds: how long.
        say: shows a line.
        say_every: seconds from one line to the next.
        clock: tells the time and waits.
    """
    began = clock.monotonic()
    spoken, mute = began, dict[str, str]()
    while True:
        waited = clock.monotonic() - began
        looks = list(new())
        for router, look in looks:
            mute.pop(router, None)
            if "error" in look:
                mute[router] = str(look["error"])
        # A no is a no, also when somebody else has said yes at the same moment.
        found = sorted((end for _router, look in looks for end in _ends(look, epoch, waited)), key=lambda end: end.answer == GO)
        if found:
            return found[0]
        if waited >= seconds:
            return End(SILENCE, "nobody", waited)
        if clock.monotonic() - spoken >= say_every:
            spoken = clock.monotonic()
            silent = "".join(f"; {router} does not answer: {error}" for router, error in sorted(mute.items()))
            say(f"waits for promote.yml since {waited:.0f} s, {seconds - waited:.0f} s left{silent}")
        clock.sleep(min(GLANCE_SECONDS, max(seconds - waited, 0.001)))


def _ends(look: Mapping[str, Any], epoch: int, waited: float) -> Iterable[End]:
    if "error" in look:
        return
    if look["epoch"] > epoch:
        yield End(FENCED, str(look["changed_by"]), waited)
    elif look["epoch"] == epoch and look["hold"] and look["hold"]["answer"]:
        yield End(look["hold"]["answer"], str(look["hold"]["by"]), waited)
