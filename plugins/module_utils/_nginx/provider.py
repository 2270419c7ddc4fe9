# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the rest of the collection gets an nginx router."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .options import SPEC, NginxOptions
from .router import NginxRouter

OPTION_SPEC = SPEC


def make_router(name: str, service: str, params: Mapping[str, Any]) -> NginxRouter:
    """A router from provider options.

    Args:
        name: inventory name of the host, for messages.
        service: whose split.
        params: the options of :data:`OPTION_SPEC`; more keys are ignored.
    """
    return NginxRouter(name, service, NginxOptions.parse(params))
