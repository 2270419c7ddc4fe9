# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pending flip as a file beside the journal, for the kinds of router that live on a host."""

from __future__ import annotations

import json
import os

from ._errors import JournalError
from ._files import PreparedFile, read_text, storage_error
from ._journal_file import known_service
from ._pending import Pending, PendingStore


class PendingFile(PendingStore):
    """One record for each service.

    Args:
        directory: where the journals are.
        service: whose flip.
    """

    def __init__(self, directory: str, service: str) -> None:
        self.path = os.path.join(directory, f"{known_service(service)}.pending.json")
        self._file = PreparedFile(self.path)

    def load(self) -> Pending | None:
        text = read_text(self.path)
        if text is None:
            return None
        try:
            return Pending.from_dict(json.loads(text))
        except (ValueError, JournalError):
            # Torn by a crash on a full disk. What it spoke of shows: traffic is not where the journal says.
            return None

    def store(self, pending: Pending, urgent: bool = False) -> None:
        self._file.write(json.dumps(pending.as_dict(), indent=1, sort_keys=True) + "\n", urgent)
        self._file.publish()

    def remove(self) -> None:
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise storage_error("removing", self.path, error) from error
