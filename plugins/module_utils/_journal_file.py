# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal as a file beside the router, for the kinds that live on a host."""

from __future__ import annotations

import json
import os
import re

from ._errors import BadInput, Fenced, JournalError
from ._files import PreparedFile, read_text
from ._journal import Journal

_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def known_service(service: str) -> str:
    """Return the name when it can be a file name and a map key, raise ``BadInput`` otherwise."""
    if not _SERVICE.fullmatch(service):
        raise BadInput(f"service {service!r}: expected letters, digits, '_', '.', '-', and at most 63 of them")
    return service


def encode(journal: Journal) -> str:
    """The journal's text: JSON for people and programs."""
    return json.dumps(journal.as_dict(), indent=1, sort_keys=True) + "\n"


def decode(text: str) -> Journal:
    """The journal of a text.

    Raises:
        JournalError: truncated, damaged, or of a newer format.
    """
    try:
        text.encode()  # bytes that are no text
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise JournalError(f"it is damaged or cut off after {len(text)} characters: {error}") from error
    return Journal.from_dict(data)


class JournalFile:
    """Compare-and-set on the epoch; the caller holds the lock.

    Args:
        directory: where the journals are.
        service: whose journal.
    """

    def __init__(self, directory: str, service: str) -> None:
        self.path = os.path.join(directory, f"{known_service(service)}.json")
        self.lock = os.path.join(directory, f"{service}.lock")
        self._service = service
        self._next = PreparedFile(self.path)

    @property
    def interrupted(self) -> bool:
        """A journal was prepared and never published."""
        return self._next.exists()

    def load(self) -> Journal | None:
        """The journal, or None when there is none.

        Raises:
            JournalError: it names the file.
        """
        text = read_text(self.path)
        if text is None:
            return None
        try:
            journal = decode(text)
            if journal.service != self._service:
                raise JournalError(f"it is the journal of {journal.service!r}")
            return journal
        except JournalError as error:
            raise JournalError(
                f"journal {self.path}: {error.message}",
                error.remedy
                or "name the colour that shall have the traffic and force it: "
                f"'turnout switch {self._service} <colour>=100 --force' writes a new journal and keeps the old one",
            ) from error

    def prepare(self, journal: Journal, urgent: bool = False) -> None:
        """Write what :meth:`publish` will put in force; ``urgent``: on a full disk, in the place of the old one."""
        self._next.write(encode(journal), urgent)

    def publish(self, expected_epoch: int) -> None:
        """Put the prepared journal in force, when the one in force still has ``expected_epoch`` (-1: none).

        Raises:
            Fenced: it has another.
        """
        try:
            current = self.load()
        except JournalError:
            current = None
            self._keep_damaged()
        epoch = current.epoch if current else -1
        if epoch != expected_epoch:
            raise Fenced(f"journal {self.path} has epoch {epoch}, expected {expected_epoch}")
        self._next.publish()

    def discard(self) -> None:
        """Throw the prepared journal away."""
        self._next.discard()

    def _keep_damaged(self) -> None:
        text = read_text(self.path)
        if text is not None:
            damaged = PreparedFile(self.path + ".damaged", suffix="")
            damaged.write(text)
