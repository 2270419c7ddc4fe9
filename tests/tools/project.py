"""Where things are: the checkout, what belongs to the collection, the machine's Pythons."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
RESULTS = BUILD / "results"
COLLECTION = Path("ansible_collections/turnout/bluegreen")


def clean_path(*first: Path) -> str:
    """PATH without the stubs of version managers, with the system's folders and `first` in front."""
    kept = [entry for entry in os.environ.get("PATH", "").split(os.pathsep) if not entry.endswith("/shims")]
    system = [entry for entry in ("/usr/sbin", "/usr/bin", "/sbin", "/bin") if entry not in kept]
    return os.pathsep.join([*(str(path) for path in first), *kept, *system])


def find_python(version: str) -> Path | None:
    """The interpreter for `version` ("3.12"), from PATH or from pyenv, or None."""
    candidates = [shutil.which(f"python{version}", path=clean_path())]
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += sorted(str(path) for path in versions.glob(f"{version}.*/bin/python{version}"))
    for candidate in filter(None, candidates):
        probe = subprocess.run([candidate, "-c", "import ssl, venv"], capture_output=True, check=False)
        if probe.returncode == 0:
            return Path(candidate)
    return None


def build_ignore() -> list[str]:
    """The patterns under `build_ignore` of galaxy.yml, read without a YAML library."""
    section = re.search(r"^build_ignore:\n((?:  - .*\n)+)", (ROOT / "galaxy.yml").read_text(), re.MULTILINE)
    lines = section.group(1).splitlines() if section else []
    return [line.split("- ", 1)[1].strip().strip("\"'") for line in lines]


def collection_files() -> list[Path]:
    """What the collection consists of: tracked files and new ones that git does not ignore, less
    `build_ignore`; without git, every file less `build_ignore`."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if shutil.which("git") and (ROOT / ".git").exists():
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        names = {Path(name) for name in listed.split("\0") if name}
    else:
        names = {path.relative_to(ROOT) for path in ROOT.rglob("*")}
    patterns = build_ignore()
    return sorted(name for name in names if (ROOT / name).is_file() and not _is_ignored(name, patterns))


def _is_ignored(name: Path, patterns: list[str]) -> bool:
    """Whether a pattern fits `name` or a folder above it."""
    ways = [name, *list(name.parents)[:-1]]
    return any(fnmatch.fnmatch(f"/{way}" if p.startswith("**/") else str(way), p) for way in ways for p in patterns)


def copy_collection(destination: Path) -> None:
    """Make `destination` a copy of the collection, without what an earlier copy left there."""
    wanted = collection_files()
    present = {path.relative_to(destination) for path in destination.rglob("*") if path.is_file()}
    for name in present - set(wanted):
        if name.parts[0] != ".git":
            (destination / name).unlink()
    for name in wanted:
        target = destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
