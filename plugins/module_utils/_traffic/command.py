# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``turnout`` on a router: break-glass for people, and the fast way in for the ``traffic`` action plugin.

It goes through the same engine, journal and fencing as a playbook.
"""

from __future__ import annotations

import importlib
import json
import os
import pwd
import re
import socket
import sys
from collections.abc import Sequence
from typing import Any

from .._errors import BadInput, NotConfigured, TurnoutError
from .._files import read_text
from .._journal_file import known_service
from .._router import Router
from .answer import answer, failure, look

PROVIDERS = ("haproxy", "nginx")
CONFIG_DIRECTORY = "/etc/turnout"
SENTINEL = "turnout-answer:"


def router_of(kind: Any, name: str, service: str, options: dict[str, Any]) -> Router:
    """The router of a kind; providers are imported when asked for, which keeps the start short."""
    if kind not in PROVIDERS:
        raise BadInput(f"router kind {kind!r} is unknown: expected one of {', '.join(PROVIDERS)}")
    package = __package__.rpartition(".")[0]
    provider = importlib.import_module(f"{package}._{kind}.provider")
    router: Router = provider.make_router(name, service, options)
    return router


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def call(text: str) -> int:
    """Answer a request of the action plugin: JSON in, one marked line of JSON out."""
    try:
        asked = json.loads(text)
        params = asked["params"]
        router = router_of(asked["kind"], asked["router"], params["service"], asked["options"])
        if asked["info"]:
            result = look(router, params["service"], params.get("statistics_since"), bool(params.get("servers")))
        else:
            result = answer(router, params, asked["check_mode"])
    except TurnoutError as error:
        result = failure(error)
    _say(SENTINEL + json.dumps(result))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the zipapp."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["call"]:
        return call(words[1])
    try:
        return _by_hand(words)
    except TurnoutError as error:
        sys.stderr.write(f"turnout: {failure(error)['msg']}\n")
        return 1


def _by_hand(words: Sequence[str]) -> int:
    args = _arguments(words)
    names = [args.service] if args.service else services(args.config)
    if args.command == "status":
        return _status(names, args)
    if len(names) != 1:
        raise BadInput(f"which service? There are {', '.join(names)}", f"turnout {args.command} <service>")
    router = _configured(args.config, names[0])
    asked = {"service": names[0], "owner": _who(), "run": f"turnout-{os.getpid()}"}
    if args.command == "rollback":
        asked.update(state="rolled_back", colour=args.to, force=args.force)
    elif args.command == "promote":
        asked.update(state="promoted", answer="stop" if args.stop else "go", release=args.release)
    else:
        asked.update(
            state="switched", split=_weights(args.split), phase="switched", min_healthy=args.min_healthy, force=args.force
        )
    result = answer(router, asked, args.check)
    _say(json.dumps(result, indent=1) if args.json else _sentence(result, args.check))
    return 0


def _arguments(words: Sequence[str]) -> Any:
    """The words of ``switch`` may come in any order: during an incident they do."""
    parser = _parser()
    args, further = parser.parse_known_args(words)
    if further and (args.command != "switch" or any(word.startswith("-") for word in further)):
        parser.error(f"unrecognized arguments: {' '.join(further)}")
    if args.command == "switch":
        given = [word for word in (args.service, *args.split, *further) if word]
        names = [word for word in given if "=" not in word]
        if len(names) > 1:
            raise BadInput(f"which service? {' and '.join(names)} are named", "turnout switch <service> <colour>=<percent>")
        args.service = names[0] if names else None
        args.split = [word for word in given if "=" in word]
        if not args.split:
            raise BadInput("no weight is given: expected for example green=100")
    return args


def _parser() -> Any:
    import argparse  # not needed on the fast way

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("service", nargs="?", help="which service; may be left out when the router has one")
    common.add_argument("--json", action="store_true", help="print the whole answer as JSON")
    common.add_argument("--config", default=CONFIG_DIRECTORY, help=argparse.SUPPRESS)
    acting = argparse.ArgumentParser(add_help=False)
    acting.add_argument("--check", action="store_true", help="say what would happen, change nothing")
    forcing = argparse.ArgumentParser(add_help=False)
    forcing.add_argument("--force", action="store_true", help="override health and lease guards; the journal records it")
    parser = argparse.ArgumentParser(prog="turnout", description="Blue-green traffic of this router.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("status", parents=[common], help="where the traffic is, who holds the service, the way back")
    back = commands.add_parser("rollback", parents=[common, acting, forcing], help="all traffic back to the stable colour")
    back.add_argument("--to", choices=["blue", "green"], help="to this colour, whatever the journal says")
    promote = commands.add_parser("promote", parents=[common, acting], help="answer a release that waits: it goes on")
    promote.add_argument("--stop", action="store_true", help="it goes back")
    promote.add_argument("--release", help="only when this release waits")
    switch = commands.add_parser("switch", parents=[common, acting, forcing], help="set the split, e.g. 'switch shop green=100'")
    switch.add_argument("split", nargs="+", metavar="COLOUR=PERCENT")
    switch.add_argument("--min-healthy", type=int, help="percent of servers that must be healthy (100)")
    return parser


def services(directory: str) -> list[str]:
    """Services that bootstrap has made known on this router."""
    try:
        found = sorted(name[: -len(".json")] for name in os.listdir(directory) if name.endswith(".json"))
    except FileNotFoundError:
        found = []
    except PermissionError as error:
        raise NotConfigured(f"{directory}: {error.strerror}", "run as root or as a member of the group") from error
    if not found:
        raise NotConfigured(f"{directory} names no service", "run bootstrap.yml for this router")
    return found


def _configured(directory: str, service: str) -> Router:
    path = os.path.join(directory, f"{known_service(service)}.json")
    text = read_text(path)
    if text is None:
        raise NotConfigured(f"{path} does not exist", f"known here: {', '.join(services(directory))}")
    try:
        config = json.loads(text)
        kind, name, options = config["kind"], config.get("router") or socket.gethostname(), config["options"]
    except (ValueError, LookupError, TypeError) as error:
        raise NotConfigured(f"{path} is damaged: {error}", "run bootstrap.yml for this router") from error
    try:
        return router_of(kind, name, service, options)
    except BadInput as error:
        error.message = f"{path}: {error.message}"
        raise


def _weights(words: Sequence[str]) -> dict[str, str]:
    weights = {}
    for word in words:
        match = re.fullmatch(r"(\w+)=(\d+)%?", word)
        if not match or match[1] in weights:
            raise BadInput(f"{word!r} is not a weight, or a second one: expected for example green=100")
        weights[match[1]] = match[2]
    return weights


def _who() -> str:
    # From the kernel: whoever is not root could set any environment. sudo keeps who root really is.
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    if uid == 0:
        name = os.environ.get("SUDO_USER") or name
    return f"{name}@{socket.gethostname()} (turnout)"


def _status(names: Sequence[str], args: Any) -> int:
    results = [look(_configured(args.config, name), name) for name in names]
    if args.json:
        _say(json.dumps(dict(zip(names, results)), indent=1))
    else:
        _say("\n\n".join(result["report"] for result in results))
    return 1 if any(result["doubts"] or result["journal_error"] for result in results) else 0


def _sentence(result: dict[str, Any], check: bool) -> str:
    if check:
        return ("would change: " if result["changed"] else "would change nothing: ") + str(result["msg"])
    return str(result["msg"])
