# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Linux host has room for, and what is said about it: lines of the checklist."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

PASS, WARN, FAIL = "pass", "warn", "fail"
MB = 1 << 20


@dataclass(frozen=True)
class Check:
    """One line of the checklist about this host.

    Args:
        check: its word, such as ``disk``.
        status: ``pass``, ``warn`` or ``fail``.
        evidence: what was found and what was expected, with units.
        remedy: the next step when it is no pass.
    """

    check: str
    status: str
    evidence: str
    remedy: str

    def as_dict(self, host: str) -> dict[str, str]:
        """The line, with the name of the host."""
        return {
            "check": self.check,
            "group": "infrastructure",
            "host": host,
            "status": self.status,
            "evidence": self.evidence,
            "remedy": "" if self.status == PASS else self.remedy,
        }


@dataclass(frozen=True)
class Space:
    """A file system, as a user who is not root may fill it.

    Args:
        path: the folder that was asked about, or the nearest one above it that is there.
        free_mb: megabytes.
        inodes: how many files it can ever have; 0 when it makes them as needed.
        free_inodes: how many more files it can have.
    """

    path: str
    free_mb: int
    inodes: int
    free_inodes: int


def spaces(paths: Iterable[str]) -> list[Space]:
    """The file systems that the paths are on, each of them once.

    Raises:
        OSError: one can not be asked.
    """
    seen: dict[int, Space] = {}
    for path in paths:
        there = os.path.abspath(path)
        while not os.path.isdir(there):
            there = os.path.dirname(there)
        found = os.statvfs(there)
        space = Space(there, found.f_bavail * found.f_frsize // MB, found.f_files, found.f_favail)
        seen.setdefault(os.stat(there).st_dev, space)
    return list(seen.values())


def disk(space: Space, min_free_mb: int, min_free_inodes: int) -> list[Check]:
    """Room for files, in megabytes and in number.

    Args:
        space: the file system.
        min_free_mb: megabytes that must be free.
        min_free_inodes: files that it must be able to take.
    """
    room = Check(
        "disk",
        PASS if space.free_mb >= min_free_mb else FAIL,
        f"{space.free_mb} MB are free at {space.path}, expected at least {min_free_mb}",
        f"make room at {space.path}",
    )
    if not space.inodes:
        return [room]
    files = Check(
        "inodes",
        PASS if space.free_inodes >= min_free_inodes else FAIL,
        f"{space.free_inodes} of {space.inodes} inodes are free at {space.path}, expected at least {min_free_inodes}",
        f"remove small files below {space.path}",
    )
    return [room, files]


def available_mb(meminfo: str, group: Mapping[str, str]) -> int | None:
    """Memory that can be had without swapping, in megabytes; None when the kernel does not say it.

    Args:
        meminfo: the text of ``/proc/meminfo``.
        group: the texts of ``memory.max``, ``memory.current`` and ``memory.stat`` of the control group that bounds this host,
            a container; empty without one. What is cached and not in use counts as free (kernel, cgroup-v2.rst, memory).
    """
    fields = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
    if "MemAvailable" not in fields:
        return None
    room = int(fields["MemAvailable"].split()[0]) * 1024
    if group.get("memory.max", "max").strip().isdigit():
        stat = dict(line.split(" ", 1) for line in group.get("memory.stat", "").splitlines() if " " in line)
        used = int(group.get("memory.current", "0")) - int(stat.get("inactive_file", "0"))
        room = min(room, int(group["memory.max"]) - used)
    return max(room, 0) // MB


def memory(found_mb: int | None, min_mb: int) -> Check:
    """Room for one more release that runs."""
    if found_mb is None:
        return Check("memory", WARN, "the kernel does not say how much memory is available", "look with free -m")
    return Check(
        "memory",
        PASS if found_mb >= min_mb else FAIL,
        f"{found_mb} MB of memory are available, expected at least {min_mb}",
        "end what is not needed, or give the host more memory",
    )


def load(average: float, cpus: int, most: float) -> Check:
    """How busy the CPUs are: load of the last minute for each."""
    each = average / cpus
    return Check(
        "cpu",
        PASS if each <= most else WARN,
        f"load {average:.2f} on {cpus} CPUs is {each:.2f} for each, expected at most {most:g}",
        "wait until the host is less busy, or give it more CPUs",
    )


def descriptors(file_nr: str, min_free_percent: float) -> Check:
    """Open files of the whole host.

    Args:
        file_nr: the text of ``/proc/sys/fs/file-nr``: allocated, free of those, and the most (proc_sys_fs(5)).
        min_free_percent: how many of them must be free.
    """
    used, _unused, most = (int(word) for word in file_nr.split())
    return _descriptors("open_files", "the host", used, most, min_free_percent, "raise fs.file-max")


def _descriptors(check: str, who: str, used: int, most: int, min_free_percent: float, remedy: str) -> Check:
    free = 100 * (most - used) / most if most else 0.0
    return Check(
        check,
        PASS if free >= min_free_percent else FAIL,
        f"{who} has {used} of {most} files open, {free:.0f}% are free, expected at least {min_free_percent:g}%",
        remedy,
    )


def unit_descriptors(unit: str, properties: str, min_free_percent: float, proc: str = "/proc") -> Check:
    """Open files of the main process of a systemd unit against its own limit.

    Args:
        unit: its name.
        properties: what ``systemctl show`` says of ``LoadState``, ``MainPID`` and ``LimitNOFILESoft``.
        min_free_percent: how many of them must be free.
        proc: where the kernel shows processes.
    """
    found = dict(line.split("=", 1) for line in properties.splitlines() if "=" in line)
    if found.get("LoadState") == "not-found":
        return Check("unit_open_files", PASS, f"{unit} does not exist yet", "")
    if not found.get("MainPID", "").isdigit():
        return Check(
            "unit_open_files",
            WARN,
            f"systemd does not tell about {unit}: {properties.strip()!r}",
            f"look with systemctl status {unit}",
        )
    pid = int(found["MainPID"])
    if not pid:
        return Check("unit_open_files", PASS, f"{unit} does not run; it may open {found.get('LimitNOFILESoft', '?')} files", "")
    try:
        used, most = len(os.listdir(f"{proc}/{pid}/fd")), soft_limit(pid, proc)
    except OSError as error:
        return Check("unit_open_files", WARN, f"the open files of {unit} (pid {pid}) can not be counted: {error}", "run as root")
    return _descriptors("unit_open_files", unit, used, most, min_free_percent, f"raise LimitNOFILE of {unit}")


def clock(here: float, control: float, most: float) -> Check:
    """Whether host and control node agree about the time.

    Args:
        here: seconds since the Unix epoch by this host.
        control: the same by the control node, when it sent the question.
        most: seconds that they may be apart, the way of the question included.
    """
    apart = abs(here - control)
    return Check(
        "clock",
        PASS if apart <= most else FAIL,
        f"the clock is {apart:.0f} s off, expected at most {most:g}",
        "set the clock, for example with chrony",
    )


def soft_limit(pid: int, proc: str = "/proc") -> int:
    """How many files a process may have open.

    Raises:
        OSError: it has ended, or belongs to somebody else.
    """
    with open(f"{proc}/{pid}/limits", encoding="ascii") as file:
        for line in file:
            if line.startswith("Max open files"):
                word = line[len("Max open files") :].split()[0]
                return int(word) if word.isdigit() else 1 << 62
    raise OSError(f"{proc}/{pid}/limits has no line 'Max open files'")


def sockets(pids: Sequence[int], proc: str = "/proc") -> int | None:
    """How many sockets the processes have open; None when that is not ours to see."""
    count = 0
    try:
        for pid in pids:
            folder = f"{proc}/{pid}/fd"
            for name in os.listdir(folder):
                with suppress(FileNotFoundError):  # closed meanwhile
                    count += os.readlink(f"{folder}/{name}").startswith("socket:")
    except OSError:
        return None
    return count


def read_group(folder: str = "/sys/fs/cgroup") -> dict[str, str]:
    """The memory files of the control group that is this host; empty where it is none."""
    texts: dict[str, Any] = {}
    for name in ("memory.max", "memory.current", "memory.stat"):
        with suppress(OSError), open(os.path.join(folder, name), encoding="ascii") as file:
            texts[name] = file.read()
    return texts
