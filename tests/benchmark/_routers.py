# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The routers that benchmarks compare: as the roles configure them, and the same without anything that divides traffic.

The plain ones are made from the text of the others, so that they differ in the mechanism and in nothing else. What they lack:
the split with all that it needs, the header X-Bluegreen-Colour, the preview, the other colour's servers and, for nginx, the
answers to the provider's questions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml

from tests.support.haproxy import COLOURS, HAProxy, Service
from tests.support.net import HOST, REPOSITORY, accepts, wait_until
from tests.support.nginx import Nginx

ROLE = REPOSITORY / "roles" / "haproxy"
SECTION = re.compile(r"^(?=[a-z])", re.MULTILINE)
PLAIN_MAPS = ("$http_upgrade $bluegreen_connection", "$http_host $bluegreen_host")  # any proxy has the like


class RoleHAProxy(HAProxy):
    """A HAProxy with the configuration that the role's templates make of its variables."""

    def render(self) -> str:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(ROLE / "templates"),
            trim_blocks=True,
            keep_trailing_newline=True,
            undefined=jinja2.StrictUndefined,
            autoescape=False,
        )
        variables = self.variables()

        def lookup(_plugin: str, name: str, template_vars: dict[str, Any]) -> str:
            return environment.get_template(name).render(**variables, **template_vars)

        environment.globals["lookup"] = lookup
        environment.filters["regex_replace"] = lambda text, pattern, new: re.sub(pattern, new, text)
        environment.tests["match"] = lambda text, pattern: bool(re.match(pattern, text))
        return environment.get_template("haproxy.cfg.j2").render(**variables)

    def variables(self) -> dict[str, Any]:
        """What the role's templates see."""
        known: dict[str, Any] = {}
        for part in ("defaults", "vars"):
            known.update(yaml.safe_load((ROLE / part / "main.yml").read_text(encoding="utf-8")))
        (service,) = self.services.values()
        ports = {f"{colour}{number}": port for colour in COLOURS for number, port in enumerate(getattr(service, colour), 1)}
        described = {"name": service.name, "bind": [f"{HOST}:{service.port}"], "health_interval": self.check_interval}
        return {
            **known,
            "haproxy_map_file": str(self.map),
            "haproxy_socket": str(self.sockets[0]),
            "haproxy_preview_bind": f"{HOST}:{service.preview_port}",
            **dict.fromkeys(("haproxy_chroot", "haproxy_user", "haproxy_group", "haproxy_admin_group"), ""),
            "haproxy_log_targets": [],
            "__haproxy_digest": "benchmark",
            "__haproxy_full_services": [{**known["__haproxy_service_defaults"], **described}],
            "groups": {colour: [name for name in ports if name.startswith(colour)] for colour in COLOURS},
            "hostvars": {name: {"ansible_host": HOST, "bluegreen_port": port} for name, port in ports.items()},
        }


class PlainHAProxy(RoleHAProxy):
    """One frontend with one backend, the blue one."""

    def render(self) -> str:
        (service,) = self.services
        kept = [self._plain(section, service) for section in SECTION.split(super().render())]
        text = "".join(kept)
        if "bg_" in text or "_green" in text or "X-Bluegreen" in text:
            raise RuntimeError(f"there is something of the mechanism left in the plain configuration:\n{text}")
        return text

    @staticmethod
    def _plain(section: str, service: str) -> str:
        head, _newline, rest = section.partition("\n")
        lines = rest.splitlines(keepends=True)
        if head.startswith((f"backend {service}_green ", "frontend bluegreen_preview ")):
            return ""
        if head.startswith(f"frontend {service} "):
            lines = [line for line in lines if line.split()[:1] == ["bind"]] + [f"    default_backend {service}_blue\n\n"]
        elif head.startswith(f"backend {service}_blue "):
            lines = [line for line in lines if "http-response set-header X-Bluegreen-Colour" not in line]
        return f"{head}\n{''.join(lines)}"


class RoleNginx(Nginx):
    """An nginx with the configuration that the role's templates make; it writes no log of requests, as the HAProxies here."""

    def variables(self, digest: str) -> dict[str, Any]:
        return {**super().variables(digest), "nginx_access_log": "off", "nginx_statistics": False}


class PlainNginx(RoleNginx):
    """The usual nginx: an upstream in a file of its own, which is written anew and reloaded for a switch.

    :param named: whether answers name their colour, as those of the role do.
    """

    def __init__(self, services: Sequence[Service], *, named: bool = False, **given: Any) -> None:
        self.colour, self.named = "blue", named
        super().__init__(services, **given)

    @property
    def active(self) -> Path:
        return self.directory / "active.conf"

    def render(self, digest: str = "") -> dict[Path, str]:
        (service,) = self.services
        texts = super().render(digest)
        public, location = self.directory / "http.conf", self.directory / f"{service}.conf"
        maps = [_block(texts[public], f"map {head}") for head in PLAIN_MAPS]
        upstream = _block(texts[public], f"upstream {service}_{self.colour}").replace(f"{service}_{self.colour}", service, 1)
        _mechanism, proxy_pass, further = texts[location].partition("\nproxy_pass ")
        lines = (proxy_pass + further).lstrip("\n").splitlines(keepends=True)
        proxied = "".join(line for line in lines if line != "proxy_hide_header X-Bluegreen-Colour;\n")
        colour = f"add_header X-Bluegreen-Colour {self.colour} always;\n" if self.named else ""
        files = {
            self.config: texts[self.config],
            public: "\n".join([*maps, f"include {self.active};\n"]),
            self.active: upstream + colour,
            location: proxied.replace(f"http://{service}_blue", f"http://{service}"),
        }
        left = re.search(r"\$bluegreen_(?!connection|host)|split_clients| -f ", "".join(files.values()))
        if left:
            raise RuntimeError(f"there is something of the mechanism left in the plain configuration: {left.string}")
        return files

    def switch(self, colour: str) -> None:
        """Write the upstream of a colour, ``nginx -t``, reload; returns when no worker takes new connections but the new ones."""
        self.colour = colour
        self.active.write_text(self.render()[self.active], encoding="utf-8")
        checked = self.check()
        if checked.returncode:
            raise RuntimeError(checked.stderr)
        self.reload()

    def wait_running(self, digest: str) -> None:
        (service,) = self.services.values()

        def ready() -> bool:
            return len(self.current_workers()) == self.worker_count and accepts(service.port)

        wait_until(ready, f"nginx in {self.folder} has its workers")


def _block(text: str, head: str) -> str:
    """The block of a configuration that begins with ``head``, up to its closing brace."""
    found = re.search(rf"^{re.escape(head)} {{\n.*?^}}\n", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise RuntimeError(f"there is no {head!r} in the role's configuration")
    return found.group()
