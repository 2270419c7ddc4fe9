# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command of the user's, run on the control node."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from contextlib import suppress
from typing import ClassVar

from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.reading import Reading
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.json_endpoint import check, search
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.source import NoData, Options, Source, fill


class Command(Source):
    """Its last line of output is the number; with ``query``, its output is JSON in which JMESPath finds the number.

    The environment has ``BLUEGREEN_COLOUR`` and ``BLUEGREEN_SERVICE``.
    """

    OPTIONS: ClassVar[Options] = {"argv": (list,), "query": (str,), "samples_query": (str,), "timeout": (int, float)}
    REQUIRED: ClassVar[tuple[str, ...]] = ("argv",)

    def prepare(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._closed = False
        self._lock = threading.Lock()
        for name in ("query", "samples_query"):
            if name in self.options:
                check(self.gate, self.options[name])
        if "samples_query" in self.options and "query" not in self.options:
            raise BadInput(f"gate {self.gate!r}: samples_query needs query: a line of output has no second number")

    def measure(self, colour: str) -> Reading:
        output = self._run(colour)
        if "query" not in self.options:
            lines = output.split("\n")
            return self.reading(next((line.strip() for line in reversed(lines) if line.strip()), None))
        try:
            data = json.loads(output)
        except ValueError as error:
            raise NoData(f"{self.options['argv'][0]} prints no JSON") from error
        found = {name: search(self.options[name], colour, data) for name in ("query", "samples_query") if name in self.options}
        return self.reading(found["query"], found.get("samples_query", 1))

    def _run(self, colour: str) -> str:
        argv = [fill(str(word), colour) for word in self.options["argv"]]
        with self._lock:
            if self._closed:
                raise NoData("the bake is over")
            try:
                process = self._process = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                    env={**os.environ, "BLUEGREEN_COLOUR": colour, "BLUEGREEN_SERVICE": self.around.service},
                    start_new_session=True,  # so that what it has started ends with it
                )
            except OSError as error:
                raise NoData(f"{argv[0]}: {error.strerror}") from error
        try:
            output, errors = process.communicate(timeout=self.timeout)
        except subprocess.TimeoutExpired as error:
            _kill(process)
            process.communicate()
            raise NoData(f"{argv[0]} takes longer than {self.timeout:g} s") from error
        if process.returncode:
            raise NoData(f"{argv[0]} ends with {process.returncode}: {errors.strip()[-200:] or 'it says nothing'}")
        return output

    def close(self) -> None:
        """End the command that is under way: nobody is there any more to see when it takes too long."""
        with self._lock:
            self._closed = True
            if self._process and self._process.poll() is None:
                _kill(self._process)


def _kill(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
