# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All sources by the word that a gate names them with."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.turnout.bluegreen.plugins.plugin_utils._gates.definition import Gate
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.command import Command
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.health import HealthSource
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.json_endpoint import JsonEndpoint
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.probe import ProbeSource
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.prometheus import Prometheus
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.router import RouterSource
from ansible_collections.turnout.bluegreen.plugins.plugin_utils._sources.source import Source, Surroundings

SOURCES: Mapping[str, type[Source]] = {
    "command": Command,
    "health": HealthSource,
    "json": JsonEndpoint,
    "probe": ProbeSource,
    "prometheus": Prometheus,
    "router": RouterSource,
}
#: The keys of each source, for the check of what a user has written.
KEYS = {name: tuple(source.OPTIONS) for name, source in SOURCES.items()}


def make(gate: Gate, around: Surroundings) -> Source:
    """The source of a gate.

    Raises:
        BadInput: an option that can not be meant.
    """
    return SOURCES[gate.source](gate.name, gate.source_options, around)
