# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What health_poll costs beside a bare asyncio client, and beside a loop over ansible.builtin.uri.

``health_poll_over_raw``: the module's process over 1,000 endpoints on 1,000 ports, divided by the process
of the shortest asyncio client over the same ones with the same concurrency and the same interpreter. The
median of the ratios of pairs that ran one after the other, in alternating order, so that a busy machine
slows both.

``uri_over_health_poll``: a play with ansible.builtin.uri in a loop over 100 endpoints, divided by the same
play with one health_poll task. ``..._without_start`` has the time of an empty play taken from both; it is
null when the poll cannot be told from the empty play.

``health_poll_rss_mb``: the largest resident size of the module's process with 1,000 endpoints.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from tests.benchmark._report import merge

COLLECTIONS = REPOSITORY / "playbooks" / "collections"
MODULE = "ansible_collections.turnout.bluegreen.plugins.modules.health_poll"
ENDPOINTS = 1000
LOOPED = 100
CONCURRENCY = 200
STARTS = 5
LEAST_DIFFERENCE = 0.1
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"

#: The client to compare with: what asyncio gives, no more imports than it needs, and no question but
#: whether the status is 200. Ports on stdin, concurrency as argument.
RAW_CLIENT = """
import asyncio, json, sys

async def poll(ports, concurrency):
    slots = asyncio.Semaphore(concurrency)

    async def ask(port):
        async with slots:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\\r\\nHost: 127.0.0.1:%d\\r\\nConnection: close\\r\\n\\r\\n" % port)
            answer = await reader.read()
            writer.close()
            return answer.startswith(b"HTTP/1.1 200 ")

    if not all(await asyncio.gather(*map(ask, ports))):
        sys.exit("an endpoint did not answer 200")

asyncio.run(poll(json.load(sys.stdin), int(sys.argv[1])))
"""

PLAY = """\
- name: Benchmark
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Poll
"""
TASKS = {
    "start": """\
      ansible.builtin.debug:
        msg: nothing
""",
    "uri": """\
      ansible.builtin.uri:
        url: "{{ item }}"
      loop: "{{ urls }}"
""",
    "health_poll": """\
      turnout.bluegreen.health_poll:
        targets: "{{ urls }}"
""",
}


class Answering(asyncio.Protocol):
    """Answers whatever comes, and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(ANSWER)
        self.transport.close()


async def serve() -> None:
    """Listen on ENDPOINTS ports, tell them in one line, stay."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Answering, "127.0.0.1", 0) for _number in range(ENDPOINTS)]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.Event().wait()


@contextlib.contextmanager
def endpoints() -> Iterator[list[int]]:
    """The servers in a process of their own; gives their ports."""
    server = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield json.loads(server.stdout.readline())
    finally:
        server.terminate()
        server.wait()


def timed(command: list[str], given: str = "", **more: Any) -> tuple[float, float]:
    """Seconds from start to end of a process that must succeed, and its largest resident size in MB."""
    with tempfile.TemporaryFile("w+") as stdin, tempfile.TemporaryFile("w+") as output:
        stdin.write(given)
        stdin.seek(0)
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=stdin, stdout=output, stderr=output, **more)
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            sys.exit(f"{command} failed:\n{output.read()[-4000:]}")
        return seconds, usage.ru_maxrss / 1024


def ratios(one: Callable[[], float], other: Callable[[], float], pairs: int) -> list[float]:
    """one / other of each pair; every second pair runs the other way round."""
    found = []
    for number in range(pairs):
        if number % 2:
            below = other()
            above = one()
        else:
            above = one()
            below = other()
        found.append(above / below)
    return found


def against_raw(ports: list[int], pairs: int) -> dict[str, float | None]:
    arguments = {
        "targets": [f"http://127.0.0.1:{port}/" for port in ports],
        "concurrency": CONCURRENCY,
    }
    raw_command = [sys.executable, "-c", RAW_CLIENT, str(CONCURRENCY)]
    given = json.dumps({"ANSIBLE_MODULE_ARGS": arguments})
    seconds: dict[str, list[float]] = {"module": [], "raw": []}
    sizes = []

    def module() -> float:
        took, size = timed([sys.executable, "-m", MODULE], given, cwd=COLLECTIONS)
        seconds["module"].append(took)
        sizes.append(size)
        return took

    def raw() -> float:
        seconds["raw"].append(timed(raw_command, json.dumps(ports))[0])
        return seconds["raw"][-1]

    module(), raw()  # byte-compile
    found = ratios(module, raw, pairs)
    return {
        "health_poll_over_raw": round(statistics.median(found), 3),
        "health_poll_over_raw_worst": round(max(found), 3),
        "health_poll_seconds_1000": round(statistics.median(seconds["module"]), 3),
        "health_poll_raw_seconds_1000": round(statistics.median(seconds["raw"]), 3),
        "health_poll_rss_mb": round(max(sizes), 1),
    }


def against_uri(ports: list[int], pairs: int) -> dict[str, float | None]:
    command = shutil.which("ansible-playbook")
    if not command:
        sys.exit("ansible-playbook is not on PATH")
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_NOCOLOR": "1"}
    seconds: dict[str, list[float]] = {name: [] for name in TASKS}
    with tempfile.TemporaryDirectory() as home:
        variables = Path(home, "urls.json")
        variables.write_text(json.dumps({"urls": [f"http://127.0.0.1:{port}/" for port in ports[:LOOPED]]}))

        def play(name: str) -> float:
            playbook = Path(home, f"{name}.yml")
            playbook.write_text(PLAY + TASKS[name])
            run = [command, "-i", "localhost,", "-c", "local", "-e", f"@{variables}", str(playbook)]
            run += ["-e", f"ansible_python_interpreter={sys.executable}"]
            seconds[name].append(timed(run, env=environment)[0])
            return seconds[name][-1]

        play("health_poll")  # byte-compile
        found = ratios(lambda: play("uri"), lambda: play("health_poll"), pairs)
        ratios(lambda: play("health_poll"), lambda: play("start"), STARTS)
    start, uri, poll = (statistics.median(seconds[name]) for name in TASKS)
    # Less than this is not told from the noise of starting Ansible, and would make the ratio a fantasy.
    told_apart = poll - start > LEAST_DIFFERENCE
    return {
        "uri_over_health_poll": round(statistics.median(found), 1),
        "uri_over_health_poll_without_start": round((uri - start) / (poll - start), 1) if told_apart else None,
        "uri_play_seconds_100": round(uri, 2),
        "health_poll_play_seconds_100": round(poll, 2),
        "empty_play_seconds": round(start, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("role", nargs="?", default="measure", choices=["measure", "serve"])
    parser.add_argument("--pairs", type=int, default=9, help="pairs of module and bare client")
    parser.add_argument("--plays", type=int, default=3, help="pairs of plays; 0 leaves the plays out")
    options = parser.parse_args()
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if options.role == "serve":
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        asyncio.run(serve())
        return
    with endpoints() as ports:
        numbers = against_raw(ports, options.pairs)
        if options.plays:
            numbers.update(against_uri(ports, options.plays))
    merge(REPOSITORY / "build" / "bench.json", numbers)
    print(json.dumps(numbers, indent=2))


if __name__ == "__main__":
    main()
