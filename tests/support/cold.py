# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An application with a cold cache: it answers slowly the first time that it is asked for a path."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.net import HOST, free_port


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        time.sleep(self.server.app.answers_after(self.path))
        body = b"ok\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    app: ColdApp


class ColdApp:
    """One process's worth of it, in threads. A context manager.

    Args:
        delay: how long it takes, in seconds, to answer for the n-th time, counted from 1 for each path.

    ``seen`` counts requests by path, health checks left out.
    """

    def __init__(self, delay: Callable[[int], float] = lambda number: 0.1 if number == 1 else 0.001) -> None:
        self.delay, self.port = delay, free_port()
        self.seen: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = _Server((HOST, self.port), _Handler)
        self._server.app = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def answers_after(self, path: str) -> float:
        if path == "/health":
            return 0.0
        with self._lock:
            self.seen[path] += 1
            return self.delay(self.seen[path])

    def __enter__(self) -> ColdApp:
        self._thread.start()
        return self

    def __exit__(self, *_failure: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
