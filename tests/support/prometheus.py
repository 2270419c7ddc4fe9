# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Prometheus in a private folder, on a free port."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.net import HOST, end, free_port, short_directory, wait_until


class Prometheus:
    """Scrapes targets; a context manager that leaves nothing running.

    Args:
        jobs: host:port of the targets, by job.
        interval: seconds from one scrape to the next.
    """

    def __init__(self, jobs: Mapping[str, Sequence[str]], interval: float = 0.5) -> None:
        self._folder = short_directory("prom")
        self.port = free_port()
        self.targets = sum(len(targets) for targets in jobs.values())
        pause = f"{interval * 1000:.0f}ms"
        config: dict[str, Any] = {
            "global": {"scrape_interval": pause, "scrape_timeout": pause},
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(targets)}]} for job, targets in jobs.items()
            ],
        }
        self._config = Path(self._folder.name) / "prometheus.yml"
        self._config.write_text(yaml.safe_dump(config), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def query(self, expression: str) -> list[float]:
        """The values of an instant query."""
        words = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{words}", timeout=5) as answer:
            return [float(series["value"][1]) for series in json.load(answer)["data"]["result"]]

    def __enter__(self) -> Prometheus:
        folder = Path(self._folder.name)
        command = [shutil.which("prometheus") or "/usr/bin/prometheus", f"--config.file={self._config}"]
        command += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address={HOST}:{self.port}", "--log.level=warn"]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: sum(self.query("up")) == self.targets, "Prometheus has scraped all targets", timeout=60)
        return self

    def __exit__(self, *failure: object) -> None:
        if self._process is not None:
            end(self._process)
        self._folder.cleanup()
