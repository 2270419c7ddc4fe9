# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any endpoint that answers with JSON, read with JMESPath."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.reading import Reading
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources import web
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.source import Options, Source, fill

try:
    import jmespath
except ImportError:
    jmespath = None


def search(expression: str, colour: str, data: Any) -> Any:
    """What the expression finds; an expression that is none was refused before."""
    return jmespath.search(fill(expression, colour), data)


def check(gate: str, expression: str) -> None:
    """Raise unless it is an expression, with any colour in it."""
    if jmespath is None:
        raise AnsibleError(
            f"gate {gate!r} reads JSON with JMESPath, and the Python library jmespath is missing on the control node. "
            "Install it beside ansible-core: pip install jmespath"
        )
    try:
        jmespath.compile(fill(expression, "blue"))
    except jmespath.exceptions.JMESPathError as error:
        raise BadInput(f"gate {gate!r}: {expression!r} is no JMESPath expression: {error}") from error


class JsonEndpoint(Source):
    """A number in the JSON that a server answers with."""

    OPTIONS: ClassVar[Options] = {**web.OPTIONS, "query": (str,), "samples_query": (str,)}
    REQUIRED: ClassVar[tuple[str, ...]] = ("url", "query")

    def prepare(self) -> None:
        for name in ("query", "samples_query"):
            if name in self.options:
                check(self.gate, self.options[name])

    def measure(self, colour: str) -> Reading:
        data = web.ask(fill(self.options["url"], colour), self.options, self.timeout)
        value = search(self.options["query"], colour, data)
        if "samples_query" not in self.options:
            return self.reading(value)
        return self.reading(value, search(self.options["samples_query"], colour, data))
