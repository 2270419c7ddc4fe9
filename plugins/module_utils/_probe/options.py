# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the modules have in common, and their checks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._errors import BadInput
from .._health.client import descriptors_left
from .._health.targets import redacted
from .open_loop import KINDS

#: How to send a request, and which answer is a good one.
CLIENT_OPTIONS: dict[str, dict[str, Any]] = {
    "headers": {"type": "dict", "no_log": True},
    "host_header": {"type": "str"},
    "timeout": {"type": "float", "default": 5.0},
    "status": {"type": "list", "elements": "str", "default": ["200-399"]},
    "colour_header": {"type": "str", "default": "X-Bluegreen-Colour"},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
}
#: How to reach one colour past the split.
PREVIEW_OPTIONS: dict[str, dict[str, Any]] = {
    "base_url": {"type": "str", "default": "http://127.0.0.1:8404", "no_log": True},
    "service": {"type": "str", "required": True},
    "colour": {"type": "str", "required": True, "choices": ["blue", "green"]},
}
CONNECTIONS: dict[str, Any] = {"type": "str", "choices": ["both", *KINDS]}

MAX_RATE = 500
MAX_REQUESTS = 1_000_000


def validated(spec: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options with their types and defaults, for callers that are not a module.

    Raises:
        BadInput: an option that is unknown, missing or of the wrong type.
    """
    checked = ArgumentSpecValidator(dict(spec)).validate(dict(given))
    if checked.error_messages:
        raise BadInput("; ".join(redacted(text, checked._no_log_values) for text in checked.error_messages))
    return dict(checked.validated_parameters)


def within(option: str, value: Any, low: float, high: float, unit: str = "") -> Any:
    """The value, when it lies in the bounds.

    Raises:
        BadInput: it does not.
    """
    if not low <= value <= high:
        raise BadInput(f"{option} is {value:g}{unit}: expected {low:g} to {high:g}{unit}")
    return value


def rate_of(option: str, value: float) -> float:
    """Requests per second, when they are no more than a synthetic client should send.

    Raises:
        BadInput: they are, or are none.
    """
    if not 0 < value <= MAX_RATE:
        raise BadInput(
            f"{option} is {value:g} requests per second: expected more than 0 and at most {MAX_RATE}",
            "for more load use a tool that is made for it, from other hosts than the router",
        )
    return value


def count_of(rate: float, seconds: float) -> int:
    """How many requests that makes, at least one.

    Raises:
        BadInput: too many to keep their figures.
    """
    if not seconds > 0:
        raise BadInput(f"seconds is {seconds:g}: expected more than 0")
    return max(1, int(within("the number of requests", round(rate * min(seconds, 1e9)), 0, MAX_REQUESTS)))


def concurrency_of(value: int) -> int:
    """Requests at the same moment, at most as many as this process may have connections.

    Raises:
        BadInput: none, or more than a thousand.
    """
    return int(min(within("concurrency", value, 1, 1000), descriptors_left()))
