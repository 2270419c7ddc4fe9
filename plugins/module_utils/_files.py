# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durable files: everything that can fail happens before the rename that puts a file in force."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Callable

from ._errors import Busy, StorageError

FULL = (errno.ENOSPC, errno.EDQUOT)
_REMEDIES = {
    errno.ENOSPC: "free space on that file system, then run again",
    errno.EDQUOT: "raise the quota of that file system, then run again",
    errno.EROFS: "mount that file system read-write, then run again",
    errno.EACCES: "run as root or as a member of the group that owns it",
    errno.EPERM: "run as root or as a member of the group that owns it",
    errno.ENOENT: "run bootstrap.yml for this router",
}


def storage_error(doing: str, path: str, error: OSError) -> StorageError:
    """A message that names the file and what to do about the errno."""
    return StorageError(
        f"{doing} {path} failed: {error.strerror}",
        _REMEDIES.get(error.errno or 0, "look at that file, then run again"),
    )


def read_text(path: str) -> str | None:
    """The file's text, or None when there is no such file. Written again, it is the same bytes, whatever they are."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error("reading", path, error) from error


class PreparedFile:
    """A file written and synced beside the one that it will replace.

    Args:
        path: the file to replace.
        suffix: what the prepared file's name has in addition; fixed, so that a crash leaves one at most.
    """

    def __init__(self, path: str, suffix: str = ".next") -> None:
        self.path = path
        self.prepared = path + suffix
        self._in_place: bytes | None = None

    def exists(self) -> bool:
        """A prepared file lies there: this run's, or one that a crash left."""
        return os.path.exists(self.prepared)

    def write(self, text: str, urgent: bool = False) -> None:
        """Write and sync the new content, with the owner, group and mode of the file it will replace.

        Args:
            text: the new content.
            urgent: on a full disk, keep it in memory: :meth:`publish` then overwrites the old file in place, which needs no
                new block as long as the new content is not much longer.
        """
        self.discard()
        try:
            fd = os.open(self.prepared, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o660)
            try:
                self._copy_owner(fd)
                data = text.encode(errors="surrogateescape")
                while data:
                    data = data[os.write(fd, data) :]
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            self.discard()
            if urgent and error.errno in FULL and os.path.exists(self.path):
                self._in_place = text.encode(errors="surrogateescape")
                return
            raise storage_error("writing", self.prepared, error) from error

    def _copy_owner(self, fd: int) -> None:
        try:
            like = os.stat(self.path)
        except FileNotFoundError:
            os.fchmod(fd, 0o660)
            return
        os.fchmod(fd, like.st_mode & 0o777)
        mine = os.fstat(fd)
        if (mine.st_uid, mine.st_gid) != (like.st_uid, like.st_gid):
            # A member of the group may replace the file; the setgid directory keeps the group then.
            with suppress(PermissionError):
                os.fchown(fd, like.st_uid if os.geteuid() == 0 else -1, like.st_gid)

    def publish(self) -> None:
        """Put the prepared file in force, durably."""
        self.rename()
        self.sync()

    def rename(self) -> None:
        """Put the prepared file in force; durable after :meth:`sync`."""
        try:
            if self._in_place is None:
                os.rename(self.prepared, self.path)
            else:
                _overwrite(self.path, self._in_place)
                self._in_place = None
        except OSError as error:
            raise storage_error("replacing", self.path, error) from error

    def sync(self) -> None:
        """Make :meth:`rename` durable."""
        try:
            sync_directory(os.path.dirname(self.path))
        except OSError as error:
            raise storage_error("replacing", self.path, error) from error

    def discard(self) -> None:
        """Remove the prepared file; nothing when there is none."""
        self._in_place = None
        try:
            os.unlink(self.prepared)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise storage_error("removing", self.prepared, error) from error


def _overwrite(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(fd, data, 0)
        os.ftruncate(fd, len(data))
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_directory(path: str) -> None:
    """Make a rename in the directory durable."""
    fd = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def locked(path: str, timeout: float = 10.0, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Hold an exclusive lock on ``path``; it ends with the process, however that ends.

    Args:
        path: lock file, made when missing; its content names the holder.
        timeout: seconds to wait for another holder.
        sleep: injected for tests.

    Raises:
        Busy: another process holds it for longer.
    """
    try:
        fd = _open_lock(path)
    except OSError as error:
        raise storage_error("opening the lock", path, error) from error
    try:
        _take(fd, path, timeout, sleep)
        yield
    finally:
        os.close(fd)


def _open_lock(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o660)
        os.fchmod(fd, 0o660)  # whatever the umask: the group shares the lock
        return fd


def _take(fd: int, path: str, timeout: float, sleep: Callable[[float], None]) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Busy(
                    f"{path} is held by {_holder(fd)} for more than {timeout:g} s",
                    "look at that process: it is changing this router now, or is stopped",
                ) from None
            sleep(0.01)
        except OSError as error:
            raise storage_error("locking", path, error) from error
    with suppress(OSError):  # the holder's name is a courtesy; the lock is the kernel's
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"pid {os.getpid()}".encode(), 0)


def _holder(fd: int) -> str:
    return os.pread(fd, 64, 0).decode(errors="replace") or "a process that has not said its pid"
