# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Redis in a private folder, on a free port, with nothing of it on disk."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.net import HOST, accepts, end, free_port, short_directory, wait_until

PASSWORD = "r3dis-not-for-the-log"


class Redis:
    """A ``redis-server``; a context manager.

    Args:
        settings: lines of its configuration.
    """

    def __init__(self, *settings: str) -> None:
        self._folder = short_directory("redis")
        self.folder = Path(self._folder.name)
        self.port = free_port()
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@{HOST}:{self.port}/0"

    def command(self, *words: str) -> str:
        """What ``redis-cli`` says. Raises CalledProcessError."""
        words = ("redis-cli", "-h", HOST, "-p", str(self.port), "--no-auth-warning", "-a", PASSWORD, *words)
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    def fill(self, megabytes: int) -> None:
        """Write keys of 1 KiB."""
        self.command(
            "EVAL", f"for i = 1, {megabytes} * 1024 do redis.call('SET', 'filler:' .. i, string.rep('x', 1024)) end", "0"
        )

    def start(self) -> None:
        if shutil.which("redis-server") is None:
            raise RuntimeError("redis-server is not installed: make integration installs it")
        lines = [f"bind {HOST}", f"port {self.port}", f"dir {self.folder}", "save ''", "appendonly no", *self.settings]
        config = self.folder / "redis.conf"
        config.write_text("\n".join([*lines, f"requirepass {PASSWORD}"]) + "\n", encoding="utf-8")
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(["redis-server", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: accepts(self.port), "Redis answers")

    def stop(self) -> None:
        if self.process is not None:
            end(self.process)
            self.process = None

    def __enter__(self) -> Redis:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_failure: object) -> None:
        self.stop()
        self._folder.cleanup()
