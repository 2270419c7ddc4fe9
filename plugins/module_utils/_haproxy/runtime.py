# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's runtime API: one write, one parsed reply for each command (HAProxy management guide, 9.3)."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .._errors import NotConfigured, PermissionTooLow, SocketError

_GONE = "Can't find the target PID"

NOT_UNDERSTOOD = "look whether that is the stats socket of a HAProxy, then run again"
_SILENT = "look whether HAProxy hangs or is stopped, then run again; a busy one may need a longer socket_timeout"

_REMEDIES = {
    errno.ENOENT: "start HAProxy, or name the socket of its 'stats socket' line in bluegreen_router_options.sockets",
    errno.ECONNREFUSED: "HAProxy is not running behind that socket: start it",
    errno.EACCES: "run as root or as a member of the socket's group",
    errno.EPERM: "run as root or as a member of the socket's group",
}


class WorkerGone(SocketError):
    """The worker has ended: what it was asked for has no object any more."""


def split_replies(text: str, count: int) -> list[str]:
    """Cut the answer to ``count`` commands into replies; each ends with an empty line, success is only that line.

    Raises:
        ValueError: the answer has another number of replies.
    """
    replies: list[str] = []
    lines: list[str] = []
    *ended, rest = text.split("\n")
    for line in ended:
        if line:
            lines.append(line)
        else:
            replies.append("\n".join(lines))
            lines = []
    if rest or lines or len(replies) != count:
        raise ValueError(f"{len(replies)} replies to {count} commands")
    return replies


@dataclass(frozen=True)
class Process:
    """One HAProxy process and the way to talk to it.

    Args:
        path: a stats socket, or the master CLI's socket.
        worker: pid of a worker behind the master CLI; 0 for a stats socket.
        timeout: seconds for the whole exchange.
    """

    path: str
    worker: int = 0
    timeout: float = 5.0

    def __str__(self) -> str:
        return f"{self.path} (worker {self.worker})" if self.worker else self.path

    def ask(self, commands: Sequence[str]) -> list[str]:
        """Send all commands in one write and return one reply for each.

        Raises:
            SocketError: no connection, no complete answer, or one that is not understood (it is quoted).
        """
        prefix = f"@!{self.worker} " if self.worker else ""
        line = ";".join(prefix + command for command in commands)
        answer = exchange(self.path, line + (";quit\n" if self.worker else "\n"), self.timeout)
        if _GONE in answer:
            raise WorkerGone(f"{self}: {answer.strip()}")
        try:
            return split_replies(answer, len(commands))
        except ValueError as error:
            raise SocketError(
                f"{self}: '{line}' was answered with {answer!r}, not understood: {error}", NOT_UNDERSTOOD
            ) from error

    def do(self, commands: Sequence[str]) -> None:
        """Send commands whose success is a blank reply; anything else is an error that quotes it."""
        for command, reply in zip(commands, self.ask(commands)):
            if reply:
                raise SocketError(f"{self}: '{command}' was answered with {reply!r}, expected a blank line", NOT_UNDERSTOOD)

    def values(self, map_file: str, keys: Sequence[str]) -> list[str | None]:
        """What the map has in memory for each key; None for a key it does not have.

        Raises:
            NotConfigured: the running configuration does not use the map.
        """
        replies = self.ask([f"get map {map_file} {key}" for key in keys])
        return [self.map_value(map_file, key, reply) for key, reply in zip(keys, replies)]

    def map_value(self, map_file: str, key: str, reply: str) -> str | None:
        """The value in a reply to ``get map``; None for a key that the map does not have."""
        if reply.startswith("Unknown map identifier"):
            raise NotConfigured(
                f"{self}: the running HAProxy does not use the map {map_file}",
                "run bootstrap.yml, or name the map of its configuration in bluegreen_router_options.map_file",
            )
        head, found, tail = reply.partition(' value="')
        if "found=no" in head:
            return None
        if "found=yes" not in head or not found:
            raise SocketError(f"{self}: 'get map {map_file} {key}' was answered with {reply!r}, not understood", NOT_UNDERSTOOD)
        return tail.partition('"')[0]

    def require_admin(self) -> None:
        """Raise unless the socket has the level that ending sessions and setting maps need."""
        level = self.ask(["show cli level"])[0].strip()
        if level != "admin":
            raise PermissionTooLow(
                f"{self}: the socket has level {level!r}, expected 'admin'",
                "write 'level admin' on its 'stats socket' line and reload HAProxy",
            )


def exchange(path: str, text: str, timeout: float) -> str:
    """Send ``text`` to a Unix socket and return all that comes back until the other side closes.

    Raises:
        SocketError: with the errno's meaning and remedy.
    """
    chunks: list[bytes] = []
    deadline = time.monotonic() + timeout
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(path)
            connection.sendall(text.encode())
            while time.monotonic() < deadline:
                chunk = connection.recv(65536)
                if not chunk:
                    return b"".join(chunks).decode(errors="replace")
                chunks.append(chunk)
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
            raise socket.timeout
    except socket.timeout as error:
        raise SocketError(f"{path}: no complete answer to {text.strip()!r} within {timeout:g} s", _SILENT) from error
    except OSError as error:
        raise SocketError(
            f"{path}: {error.strerror or error}", _REMEDIES.get(error.errno or 0, "look whether HAProxy runs")
        ) from error


def workers(master_socket: str, timeout: float) -> list[int]:
    """Pids of all workers that live behind a master CLI, those that a reload has left to finish included.

    The master answers only when no configuration is being loaded: a reload re-executes it.
    """
    reply = exchange(master_socket, "show proc;quit\n", timeout)
    rows = [line.split() for line in reply.splitlines() if line and not line.startswith("#")]
    if "# workers" not in reply or not all(len(row) > 1 and row[0].isdigit() for row in rows):
        raise SocketError(f"{master_socket}: 'show proc' was answered with {reply!r}, not understood", NOT_UNDERSTOOD)
    return [int(row[0]) for row in rows if row[1] == "worker"]
