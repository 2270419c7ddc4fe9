# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the nginx that runs, and what its answers mean: files on disk do not say what a worker does.

``nginx -t`` and ``nginx -s reload`` both succeed while the master goes on with the configuration that it had.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._errors import NotConfigured, SocketError
from .._routing import COLOURS, Split
from . import processes
from .ask import Answer, Endpoint, Question, ask_all, resolve
from .facts import Facts
from .options import NginxOptions
from .split_directory import LINK, directory_name

#: The name by which the preview's port tells the provider's questions from everybody else's. RFC 6761 keeps it free.
PROBE_HOST = "turnout.invalid"
PROBE_HEADER = "X-Bluegreen-Probe"
COLOUR_HEADER = "X-Bluegreen-Colour"
BUCKETS = 100


@dataclass(frozen=True)
class Reply:
    """One worker's answer.

    Args:
        word: ``blue`` or ``green``, ``seen`` or ``unseen``, ``running``.
        digest: of the configuration that the worker has.
        pid: of the worker.
        says_colour: the answer carried the header that tells clients the colour.
    """

    word: str
    digest: str
    pid: int
    says_colour: bool = True


def edges(split: Split) -> dict[int | str, str]:
    """The buckets on both sides of the split, and their colours; the cohort's colour is a side of its own."""
    sides: dict[int | str, str] = {split.cohort: split.cohort} if split.cohort else {}
    buckets = {split.green - 1: "green", split.green: "blue"}
    return {**{bucket: colour for bucket, colour in buckets.items() if 0 <= bucket < BUCKETS}, **sides}


class Running:
    """The running nginx, asked about one service.

    Args:
        service: its name.
        options: where nginx is.
        facts: what the configuration on disk says.
    """

    def __init__(self, service: str, options: NginxOptions, facts: Facts) -> None:
        self._service, self._options, self._facts = service, options, facts
        self._preview = self._endpoint()
        self._http_line = f"include {options.directory}/http.conf;"
        self._service_line = f"include {options.directory}/{service}.conf;"

    def _endpoint(self) -> Endpoint:
        address = self._options.preview
        found = resolve([address], self._options.socket_timeout)[address]
        if not found:
            raise NotConfigured(f"the name {address.host} can not be resolved", "correct bluegreen_router_options.preview")
        return found[0]

    def _question(self, path: str) -> Question:
        return Question(self._preview, PROBE_HOST, path, timeout=self._options.socket_timeout)

    def bucket(self, bucket: int | str, split: Split | None = None) -> Question:
        """Which colour does a bucket get now, or by the directory of ``split``? For a colour: does the cohort get it?"""
        to = LINK if split is None else directory_name(split)
        return self._question(f"/{'cohort' if bucket in COLOURS else 'bucket'}/{self._service}/{to}/{bucket}")

    def directory(self, split: Split) -> Question:
        """Can a worker see the directory of a split, and enter it?"""
        return self._question(f"/directory/{self._service}/{directory_name(split)}")

    def public(self) -> Question | None:
        """Does the service's location have the service's lines? None when nobody can ask."""
        public = self._facts.public
        if public is None:
            return None
        found = resolve([public.address], self._options.socket_timeout)[public.address]
        if not found:
            raise NotConfigured(
                f"the name {public.address.host} can not be resolved, where {self._service} is asked for",
                "correct listen or probe_url of the service in nginx_services, then run bootstrap.yml",
            )
        return Question(
            found[0],
            public.host,
            public.path,
            ((PROBE_HEADER, self._service),),
            self._options.socket_timeout,
            b"PROXY UNKNOWN\r\n" if public.proxy_protocol else b"",
            public.tls,
        )

    def reply(self, answer: Answer) -> Reply:
        """What a worker says on the preview's port.

        Raises:
            SocketError: nginx does not run, or does not answer.
            NotConfigured: what runs does not have the lines of ``http.conf``, or does not know the service.
        """
        reply = _parsed(answer)
        if reply:
            return reply
        where = str(self._options.preview)
        if answer.failure == "refused":
            self._nobody_listens(where)
        if answer.failure:
            raise SocketError(f"{where}: {answer.why}", "look whether nginx hangs, is stopped or overloaded, then run again")
        if _parsed(ask_all([self._question("/digest")])[0]):
            raise NotConfigured(
                f"{where}: the running nginx does not know the service {self._service}",
                "run bootstrap.yml; when it has been run, nginx did not take the reload: its error log says why",
            )
        raise NotConfigured(
            f"{where} is answered with {answer.status}, and not by the lines of {self._options.directory}/http.conf",
            f"write '{self._http_line}' into the section http of nginx's configuration and reload nginx, "
            "or name the right address in bluegreen_router_options.preview",
        )

    def _nobody_listens(self, where: str) -> None:
        pid_file = self._options.pid_file
        master = processes.find(pid_file).master
        if master is None:
            raise SocketError(
                f"{where}: connection refused, and {pid_file} names no nginx that runs",
                "start nginx, or name its file in bluegreen_router_options.pid_file",
            )
        raise NotConfigured(
            f"{where}: connection refused, but nginx runs (pid {master}): its configuration lacks the line "
            f"'{self._http_line}' in the section http, or it did not take the reload that brought it",
            f"write '{self._http_line}' into the section http and reload nginx; if it is there, nginx's error log says what it "
            "did not accept",
        )

    def public_reply(self, answer: Answer) -> Reply:
        """What a worker says on the public side.

        Raises:
            SocketError: no answer.
            NotConfigured: the location that answers does not have the service's lines.
        """
        reply = _parsed(answer)
        if reply and reply.word in COLOURS:
            return reply
        asked = f"{self._service} was asked for at {self._facts.public}"
        if answer.failure:
            raise SocketError(
                f"{asked}: {answer.why}", "look whether nginx listens there; else correct listen or probe_url of the service"
            )
        raise NotConfigured(
            f"{asked}, and answered with {answer.status} by a location without the line '{self._service_line}'",
            f"write '{self._service_line}' into the location that serves {self._service}, in place of its proxy_pass, and "
            "reload nginx; if it is there, correct listen, server_names or probe_url of the service",
        )


def _parsed(answer: Answer) -> Reply | None:
    words = answer.body.decode(errors="replace").split()
    if answer.status != 200 or len(words) != 3 or not words[2].isdigit():
        return None
    return Reply(words[0], words[1], int(words[2]), answer.header(COLOUR_HEADER) == words[0])
