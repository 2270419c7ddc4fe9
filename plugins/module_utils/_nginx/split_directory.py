# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The split on disk: ``current`` leads to ``w<N>``, a directory with the empty files 0 to N-1.

A request whose bucket is there as a file goes to green, so ``w25`` sends a quarter there. The flip is one rename.
``w25-green`` has the file ``cohort-green`` as well: clients of the service's cohort go to green, whatever their buckets.

A spare link to each end lies beside it: a new link needs an inode, which a full file system may not have for a rollback.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress

from .._errors import NotConfigured
from .._files import FULL, storage_error, sync_directory
from .._routing import Split

_TARGET = re.compile(r"w(0|[1-9][0-9]?|100)(?:-(blue|green))?/?")
LINK = "current"
ENDS = (Split(0), Split(100))


def directory_name(split: Split) -> str:
    """Name of the directory that means a split."""
    return f"w{split.green}" + (f"-{split.cohort}" if split.cohort else "")


def _files(split: Split) -> list[str]:
    return [str(bucket) for bucket in range(split.green)] + ([f"cohort-{split.cohort}"] if split.cohort else [])


class SplitDirectory:
    """The split of one service.

    Args:
        path: the service's directory.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.link = os.path.join(path, LINK)
        self._next = self.link + ".next"
        self._building = os.path.join(path, "w.next")
        self._made = ""
        self._spent = ""

    def durable(self) -> Split:
        """The split that the link stands for, whatever is there where it leads.

        Raises:
            NotConfigured: there is no such link, or it leads elsewhere.
        """
        try:
            target = os.readlink(self.link)
        except FileNotFoundError as error:
            raise NotConfigured(f"{self.link} does not exist", "run bootstrap.yml for this router") from error
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise NotConfigured(
                    f"{self.link} is no symbolic link", "move it away, then run bootstrap.yml for this router"
                ) from error
            raise storage_error("reading", self.link, error) from error
        match = _TARGET.fullmatch(target)
        if not match:
            raise NotConfigured(
                f"{self.link} leads to {target!r}, expected w0 to w100 beside it, or the same with -blue or -green",
                f"ln -sfn w0 {self.link} sends all traffic to blue, w100 to green; then run status.yml",
            )
        return Split(int(match[1]), match[2])

    @property
    def interrupted(self) -> bool:
        """A link was prepared, or a directory begun, and not put in force."""
        return os.path.lexists(self._next) or os.path.lexists(self._building)

    def stage(self, split: Split, urgent: bool = False) -> None:
        """Make the directory when it is missing, prove it when it is there, and prepare the link.

        Args:
            split: what the link shall stand for.
            urgent: on a full file system, take the spare link.

        Raises:
            StorageError: the file system does not take it.
            NotConfigured: what is there does not mean the split.
        """
        try:
            self.discard()
            if not os.path.lexists(self._directory(split)):
                self._build(split)
            trouble = self.trouble(split)
            if trouble:
                raise NotConfigured(trouble, f"remove it (rm -r {self._directory(split)}), then run again: it is made anew")
            self._prepare_link(split, urgent)
        except OSError as error:
            raise storage_error("preparing", self._next, error) from error

    def _prepare_link(self, split: Split, urgent: bool) -> None:
        try:
            os.symlink(directory_name(split), self._next)
        except OSError as error:
            spare = self._spare(split)
            if not urgent or error.errno not in FULL or not os.path.lexists(spare):
                raise
            os.rename(spare, self._next)
            self._spent = spare
        else:
            if not urgent:
                self._lay_spares()

    def _lay_spares(self) -> None:
        for end in ENDS:
            with suppress(FileExistsError):
                os.symlink(directory_name(end), self._spare(end))

    def _spare(self, split: Split) -> str:
        return f"{self._directory(split)}.spare"

    def provide(self, split: Split) -> bool:
        """Make the directory of a split when it is missing, so that a later stage needs no space; returns whether it was made."""
        if os.path.lexists(self._directory(split)):
            return False
        try:
            self._lay_spares()
            _remove(self._building)
            self._build(split)
            self._made = ""
            sync_directory(self.path)
        except OSError as error:
            raise storage_error("making", error.filename or self._building, error) from error
        return True

    def trouble(self, split: Split) -> str:
        """Why the directory of a split does not mean that split; empty when it does."""
        path = self._directory(split)
        try:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                return f"{path} is no directory"
            with os.scandir(path) as entries:
                found = {entry.name: entry.is_file(follow_symlinks=False) for entry in entries}
        except FileNotFoundError:
            return f"{path} does not exist"
        except OSError as error:
            return f"{path} can not be read: {error.strerror}"
        expected = _files(split)
        odd = sorted(name for name, plain in found.items() if not plain or name not in expected)
        missing = [name for name in expected if name not in found]
        if not odd and not missing:
            return ""
        told = [f"without {', '.join(missing[:3])}"] if missing else []
        told += [f"with {', '.join(odd[:3])}, which should not be there or is no plain file"] if odd else []
        buckets = [f"0 to {split.green - 1}"] if split.green else []
        files = " and ".join(buckets + expected[split.green :])
        files = f"the plain files {files} and nothing else" if files else "no file"
        return f"{path} is {' and '.join(told)}: expected {files}"

    def closed(self, split: Split) -> str:
        """The first directory on the way to that of a split that not everybody may enter; empty when there is none."""
        path = self._directory(split)
        parts = [path[:at] for at, letter in enumerate(path) if letter == "/" and at] + [path]
        with suppress(OSError):
            for part in parts:
                if not os.stat(part).st_mode & stat.S_IXOTH:
                    return part
        return ""

    def _directory(self, split: Split) -> str:
        return os.path.join(self.path, directory_name(split))

    def _build(self, split: Split) -> None:
        os.mkdir(self._building)
        for name in _files(split):
            os.close(os.open(os.path.join(self._building, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o664))
        os.chmod(self._building, 0o775)  # whatever the umask: the workers must come through
        sync_directory(self._building)
        os.rename(self._building, self._directory(split))
        self._made = self._directory(split)

    def discard(self) -> None:
        """Remove what was prepared and is not in force."""
        try:
            with suppress(FileNotFoundError):
                if self._spent:
                    os.rename(self._next, self._spent)
                else:
                    os.unlink(self._next)
            self._spent = ""
            for path in filter(None, (self._building, self._made)):
                _remove(path)
            self._made = ""
        except OSError as error:
            raise storage_error("removing", error.filename or self._next, error) from error

    def commit(self) -> None:
        """Put the prepared link in force, durably."""
        try:
            os.rename(self._next, self.link)
            self._made = ""
            sync_directory(self.path)
        except OSError as error:
            raise storage_error("replacing", self.link, error) from error
        if self._spent:  # the link that was replaced has made room for it
            self._spent = ""
            with suppress(OSError):
                self._lay_spares()


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        for name in os.listdir(path):
            os.unlink(os.path.join(path, name))
        os.rmdir(path)
