# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build ``shop-<version>.tar.gz``, the sample application with a ``release.json``, reproducibly."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

SOURCES = ("appctl", "appctl.py", "shop.py")
BEHAVIOURS = ("good", "broken", "degrades", "errors", "silent", "logout")


@dataclass(frozen=True)
class Tarball:
    """A built release; ``sha256`` is the checksum in hexadecimal."""

    path: Path
    sha256: str
    version: str


def release_json(version: str, behaviour: str = "good", **settings: float) -> bytes:
    """The content of ``release.json``; ``settings`` are the numbers of ``shop.Release``."""
    if behaviour not in BEHAVIOURS:
        raise ValueError(f"behaviour is one of {BEHAVIOURS}, not {behaviour!r}")
    return json.dumps({"version": version, "behaviour": behaviour, **settings}, sort_keys=True).encode() + b"\n"


def build(directory: Path, version: str, behaviour: str = "good", **settings: float) -> Tarball:
    """Write the tarball of one release into ``directory``; its files lie at the root of the archive."""
    here = Path(__file__).resolve().parent
    members = {name: (here / name).read_bytes() for name in SOURCES}
    members["release.json"] = release_json(version, behaviour, **settings)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(members):
            entry = tarfile.TarInfo(name)
            entry.size = len(members[name])
            entry.mode = 0o755 if name == "appctl" else 0o644
            archive.addfile(entry, io.BytesIO(members[name]))
    packed = gzip.compress(plain.getvalue(), compresslevel=9, mtime=0)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / (f"shop-{version}.tar.gz")
    path.write_bytes(packed)
    return Tarball(path, hashlib.sha256(packed).hexdigest(), version)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version")
    parser.add_argument("--directory", type=Path, default=Path("."))
    parser.add_argument("--behaviour", choices=BEHAVIOURS, default="good")
    parser.add_argument("--degrade-after", type=float, default=5.0)
    parser.add_argument("--degrade-seconds", type=float, default=0.0)
    parser.add_argument("--degrade-ms", type=float, default=400.0)
    parser.add_argument("--error-percent", type=float, default=0.0)
    options = vars(parser.parse_args())
    tarball = build(**options)
    print(json.dumps({"path": str(tarball.path), "sha256": tarball.sha256, "version": tarball.version}))


if __name__ == "__main__":
    main()
