"""health_poll as a module process against real servers on loopback, with real TLS."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

COLLECTIONS = Path(__file__).resolve().parents[2] / "playbooks" / "collections"
MODULE = "ansible_collections.turnout.bluegreen.plugins.modules.health_poll"
#: Another interpreter of a managed host can be tried by setting this (ansible-core on its PYTHONPATH).
MODULE_PYTHON = os.environ.get("MODULE_PYTHON", sys.executable)
SITE = "shop.example.test"
TOKEN = "Bearer 3f9a-not-for-the-log"
LIMIT = 60
#: Runs the module and leaves the largest resident size in a file. The kernel's own account of a child
#: (ru_maxrss) will not do, it begins with the size of the parent.
RUN = """
import atexit, re, runpy, sys
size = sys.argv.pop()
def tell():
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]
    open(size, "w").write(peak)
atexit.register(tell)
runpy.run_module(sys.argv.pop(), run_name="__main__", alter_sys=True)
"""


def http(status: str, body: bytes = b"ok\n", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


def echo(method: str, request: str) -> bytes:
    lines = [line.split(": ", 1) for line in request.split("\r\n")[1:] if line]
    headers = {name.lower(): value for name, value in lines}
    repeated = f"X-Authorization: {headers.get('authorization', 'none')}"
    body = json.dumps({"method": method, "headers": headers}).encode()
    return http("200 OK", body, "X-Release: v2.1", repeated)


FIXED = {
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nal\r\n4\r\nl up\r\n0\r\n\r\n",
    "/cut": http("200 OK", b"x" * 100)[:-1],
    "/large": http("200 OK", b"x" * 20_000_000),
    "/moved": http("301 Moved", b"", "Location: /ok"),
    "/status/500": http("500 Broken"),
    "/status/503": http("503 Down"),
}


class Servers:
    """Servers in a thread of their own. A path says what they do; :attr:`seen` counts paths."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.seen: Counter[str] = Counter()
        self.most = self.open = 0
        self._servers: list[asyncio.AbstractServer] = []

    def listen(self, context: ssl.SSLContext | None = None) -> int:
        async def start() -> int:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context, backlog=1024)
            self._servers.append(server)
            return int(server.sockets[0].getsockname()[1])

        return asyncio.run_coroutine_threadsafe(start(), self.loop).result(LIMIT)

    def stop(self) -> None:
        async def end() -> None:
            for server in self._servers:
                server.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(LIMIT)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(LIMIT)
        self.loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, _version = request.split("\r\n")[0].split(" ")
            self.seen[path] += 1
            await self._answer(method, path, request, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _answer(self, method: str, path: str, request: str, writer: asyncio.StreamWriter) -> None:
        if path in FIXED:
            writer.write(FIXED[path])
        elif path == "/never":
            await asyncio.Event().wait()
        elif path == "/flap":
            writer.write(http("503 Down") if self.seen[path] <= 2 else http("200 OK"))
        elif path == "/slow":
            await asyncio.sleep(0.2)
            writer.write(http("200 OK"))
        elif path == "/echo":
            writer.write(echo(method, request))
        elif path == "/reset":
            writer.transport.abort()
        else:
            writer.write(http("200 OK", b"" if method == "HEAD" else b"ok\n"))
        await writer.drain()


@pytest.fixture
def servers() -> Iterator[Servers]:
    running = Servers()
    yield running
    running.stop()


@pytest.fixture
def base(servers: Servers) -> str:
    return f"http://127.0.0.1:{servers.listen()}"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses connections for as long as the test runs."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@dataclass
class Result:
    """What came out of the module: its answer and every byte it wrote."""

    answer: dict[str, Any]
    output: str
    max_rss_mb: float

    def __getitem__(self, key: str) -> Any:
        return self.answer[key]

    @property
    def failed(self) -> bool:
        return bool(self.answer.get("failed", False))


def health_poll(*targets: Any, **options: Any) -> Result:
    arguments = {"targets": list(targets), "interval": 0.02, "deadline": LIMIT, **options}
    with tempfile.NamedTemporaryFile("r") as size:
        done = subprocess.run(
            [MODULE_PYTHON, "-c", RUN, MODULE, size.name],
            cwd=COLLECTIONS,
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        peak = size.read()
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        pytest.fail(f"not only JSON came out of the module:\n{done.stdout}")
    assert done.returncode == (1 if answer.get("failed") else 0)
    assert not answer.get("changed")
    return Result(answer, done.stdout, int(peak) / 1024)


def test_one_task_asks_http_and_tcp(servers, base):
    result = health_poll(f"{base}/ok", f"tcp://127.0.0.1:{servers.listen()}", successes=3)
    assert not result.failed
    assert result["changed"] is False
    assert [row["healthy"] for row in result["targets"]] == [True, True]
    assert [row["tries"] for row in result["targets"]] == [3, 3]
    assert result["summary"]["tries"] == 6
    assert 0 < result["summary"]["latency_ms"]["p50"] <= result["summary"]["latency_ms"]["p99"]
    assert servers.seen == {"/ok": 3}


def test_a_flapping_endpoint_is_healthy_after_successes_in_a_row(servers, base):
    result = health_poll(f"{base}/flap", successes=3)
    (row,) = result["targets"]
    assert (row["healthy"], row["tries"], row["successes"]) == (True, 5, 3)
    assert row["last_error"] == "status 503, expected 200-299"
    assert servers.seen == {"/flap": 5}


def test_a_flapping_endpoint_is_a_certain_no_when_no_failure_is_allowed(servers, base):
    result = health_poll({"url": f"{base}/flap", "name": "green-1"}, successes=3, max_failures=0)
    assert result.failed
    assert "status 503, expected 200-299, given up at failure 1 (1): green-1." in result["msg"]
    assert servers.seen == {"/flap": 1}


def test_every_unhealthy_target_is_named_with_its_reason(base, closed_port):
    refused = [{"url": f"tcp://127.0.0.1:{closed_port}", "name": f"refused-{number}"} for number in range(3)]
    result = health_poll(
        *refused,
        {"url": f"http://127.0.0.1:{closed_port}/", "name": "refused-3"},
        {"url": f"{base}/never", "name": "silent", "timeout": 0.3, "max_failures": 0},
        {"url": f"{base}/cut", "name": "cut"},
        {"url": f"{base}/reset", "name": "reset"},
        {"url": f"{base}/moved", "name": "moved"},
        {"url": f"{base}/ok", "name": "well"},
        deadline=1.5,
    )
    assert result.failed
    for told in (
        "8 of 9 targets are not healthy",
        "connection refused (4): refused-0, refused-1, refused-2, refused-3",
        "no answer within 0.3 s, given up at failure 1 (1): silent",
        "connection closed before the answer was complete (1): cut",
        "status 301, expected 200-299 (1): moved",
        "connection closed without an answer (1): reset",
        "Send no traffic to them",
    ):
        assert told in result["msg"]
    assert "well" not in result["msg"]
    assert result["unhealthy"] == [row["name"] for row in result["targets"] if not row["healthy"]]


def test_the_deadline_ends_a_try_that_hangs(base):
    result = health_poll(f"{base}/never", deadline=0.5, timeout=1000)
    assert "no answer before the deadline" in result["msg"]
    assert result["summary"]["duration_s"] < LIMIT / 2


def test_fail_fast_does_not_wait_for_the_others(base, closed_port):
    result = health_poll(
        {"url": f"tcp://127.0.0.1:{closed_port}", "max_failures": 0},
        {"url": f"{base}/never", "timeout": LIMIT},
        fail_fast=True,
    )
    assert "not decided, another target ended the poll (1)" in result["msg"]
    assert result["summary"]["duration_s"] < LIMIT / 2


def test_expectations_on_status_body_header_and_json(base):
    healthy = health_poll(
        {"url": f"{base}/moved", "status": [200, "300-399"]},
        {"url": f"{base}/ok", "body_contains": "ok"},
        {"url": f"{base}/chunked", "body_regex": "^al{2} up$"},
        {"url": f"{base}/echo", "response_headers": {"X-Release": r"~^v2(\.|$)"}},
        {"url": f"{base}/echo", "json_query": "method", "json_value": "GET"},
        {"url": f"{base}/ok", "method": "HEAD"},
        {"url": f"{base}/large", "body_contains": "xxx"},
    )
    assert not healthy.failed, healthy["msg"]
    sick = health_poll(
        {"url": f"{base}/ok", "name": "text", "body_contains": "up"},
        {"url": f"{base}/echo", "name": "release", "response_headers": {"X-Release": "v3"}},
        {"url": f"{base}/echo", "name": "json", "json_query": "method", "json_value": "HEAD"},
        {"url": f"{base}/slow", "name": "slow", "max_latency_ms": 100},
        max_failures=0,
    )
    assert sick["unhealthy"] == ["text", "release", "json", "slow"]
    assert [row["last_error"] for row in sick["targets"]] == [
        "body does not contain 'up'",
        "header x-release is 'v2.1', expected 'v3'",
        "JSON query 'method' gave 'GET', expected 'HEAD'",
        "slower than 100 ms",
    ]
    assert sick["targets"][3]["latency_ms"]["p50"] >= 200


def test_no_secret_comes_out_even_when_the_endpoint_repeats_it(base):
    user = base.replace("://", "://deploy:pa55word@")
    below = health_poll("/ok", base_url=user)
    assert below["targets"][0]["url"] == f"{base}/ok"
    assert "pa55word" not in below.output
    result = health_poll(
        {"url": f"{user}/echo", "name": "basic", "response_headers": {"X-Authorization": "none"}},
        {"url": f"{base}/echo", "name": "own", "headers": {"Authorization": f"{TOKEN}-own"}},
        {"url": f"{base}/echo", "name": "common", "json_query": "headers.authorization", "json_value": "x"},
        headers={"Authorization": TOKEN, "X-Probe": "1"},
        max_failures=0,
    )
    assert result["unhealthy"] == ["basic", "common"]
    assert result["targets"][0]["url"] == f"{base}/echo"
    assert "********" in result["targets"][2]["last_error"]
    for secret in ("pa55word", "not-for-the-log", "ZGVwbG95OnBhNTV3b3Jk"):
        assert secret not in result.output


def test_an_unusable_option_does_not_print_the_secrets_of_targets(base):
    result = health_poll({"url": base.replace("://", "://deploy:pa55word@"), "headers": {"A": TOKEN}}, timeout="soon")
    assert result.failed
    assert "timeout" in result["msg"]
    assert "pa55word" not in result.output
    assert "not-for-the-log" not in result.output


def test_an_unusable_target_is_refused_before_anything_is_asked(servers, base):
    result = health_poll(f"{base}/ok", {"url": f"{base}/ok", "body_regex": "("})
    assert result.failed
    assert "targets[1]: body_regex" in result["msg"]
    assert not servers.seen


def test_the_number_of_tries_at_once_is_bounded(servers, base):
    result = health_poll(*[f"{base}/slow"] * 12, concurrency=3)
    assert not result.failed
    assert servers.most == 3


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, a server certificate for SITE and a client certificate, made by openssl."""
    home = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=home, check=True, capture_output=True)

    new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    # Python 3.13 verifies strictly: key usage and key identifiers must be there (RFC 5280, section 4.2.1).
    new_ca = [*new, "-x509", "-addext", "keyUsage=critical,keyCertSign"]
    openssl(*new_ca, "-days", "2", "-subj", "/CN=test CA", "-keyout", "ca.key", "-out", "ca.pem")
    for name, names in (("server", f"DNS:{SITE}"), ("client", "DNS:client")):
        openssl(*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (home / f"{name}.ext").write_text(f"subjectAltName={names}\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
        signer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
        openssl("x509", "-req", "-in", f"{name}.csr", *signer, "-extfile", f"{name}.ext", "-out", f"{name}.pem")
    return home


@pytest.fixture
def tls_port(servers: Servers, certificates: Path) -> Callable[[bool], int]:
    def listen(client_required: bool) -> int:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "ca.pem"))
        context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
        context.verify_mode = ssl.CERT_REQUIRED if client_required else ssl.CERT_NONE
        return servers.listen(context)

    return listen


def test_tls_checks_authority_and_name(tls_port, certificates):
    url = f"https://127.0.0.1:{tls_port(False)}/echo"
    trusted = {"url": url, "ca_path": str(certificates / "ca.pem")}
    result = health_poll(
        {**trusted, "name": "by host header", "host_header": SITE, "json_query": f"headers.host=='{SITE}'"},
        {**trusted, "name": "by server name", "server_name": SITE},
        {"url": url, "name": "unchecked", "validate_certs": False},
        {"url": url, "name": "unknown authority", "server_name": SITE},
        {**trusted, "name": "wrong name", "server_name": "other.example.test"},
        {"url": url.replace("https", "http"), "name": "no TLS"},
        max_failures=0,
    )
    assert result["unhealthy"] == ["unknown authority", "wrong name", "no TLS"]
    errors = {row["name"]: row["last_error"] for row in result["targets"]}
    assert errors["unknown authority"].startswith("TLS certificate not accepted: ")
    assert "other.example.test" in errors["wrong name"]
    assert errors["no TLS"].startswith("connection ")


def test_a_client_certificate_is_presented(tls_port, certificates):
    url = f"https://127.0.0.1:{tls_port(True)}/ok"
    common = {"ca_path": str(certificates / "ca.pem"), "server_name": SITE, "max_failures": 0}
    own = {
        "client_cert": str(certificates / "client.pem"),
        "client_key": str(certificates / "client.key"),
    }
    result = health_poll({"url": url, "name": "with", **own}, {"url": url, "name": "without"}, successes=2, **common)
    assert result["unhealthy"] == ["without"]
    assert result["targets"][1]["last_error"].startswith(("TLS: ", "connection "))


def test_a_certificate_file_that_is_missing_is_named(tls_port):
    result = health_poll(f"https://127.0.0.1:{tls_port(False)}/", ca_path="/nonexistent/ca.pem")
    assert result["msg"].startswith("ca_path /nonexistent/ca.pem: ")


def test_a_thousand_endpoints_in_one_call(servers, closed_port):
    ports = [servers.listen() for _number in range(50)]
    targets = [
        {"url": f"http://127.0.0.1:{ports[number % 50]}/host/{number}", "name": f"web-{number:04}"} for number in range(1000)
    ]
    targets[17]["url"] = f"http://127.0.0.1:{closed_port}/"
    targets[500]["url"] = f"http://127.0.0.1:{ports[0]}/status/500"
    targets[999]["url"] = f"http://127.0.0.1:{ports[1]}/status/503"
    result = health_poll(*targets, max_failures=1)
    assert result["unhealthy"] == ["web-0017", "web-0500", "web-0999"]
    assert all(name in result["msg"] for name in result["unhealthy"])
    assert result["summary"]["healthy"] == 997
    assert sum(servers.seen.values()) == 997 + 2 * 2
    assert result.max_rss_mb < 150


def test_a_thousand_sick_endpoints_are_all_named(closed_port):
    targets = [{"url": f"tcp://127.0.0.1:{closed_port}", "name": f"web-{number:04}"} for number in range(1000)]
    result = health_poll(*targets, max_failures=0)
    assert all(target["name"] in result["msg"] for target in targets)
    assert len(result["msg"]) < 12_000


def ansible(module_arguments: dict[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
    binary = Path(sys.executable).parent / "ansible"
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_NOCOLOR": "1",
    }
    target = [str(binary), "localhost", "-i", "localhost,", "-c", "local"]
    return subprocess.run(
        [*target, "-m", "turnout.bluegreen.health_poll", "-a", json.dumps(module_arguments), *options],
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )


def test_ansible_packs_and_runs_it_in_check_mode_too(servers, base):
    headers = {"Authorization": TOKEN}
    done = ansible({"targets": [{"url": f"{base}/echo", "headers": headers}]}, "--check", "-vvv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All 1 targets are healthy" in done.stdout
    assert "SUCCESS" in done.stdout
    assert servers.seen == {"/echo": 1}
    results = done.stdout[done.stdout.index("SUCCESS") :]
    assert "not-for-the-log" not in results
