"""Provide what a make target needs and the machine does not have yet; quick when nothing is missing.

provide.py commands haproxy openssl     Debian packages for commands that are missing (as root)
provide.py venv FOLDER REQUIREMENTS [--python 3.12] [--with 'ansible-core==2.18.*']
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from project import BUILD, clean_path, find_python

PACKAGES = {
    "curl": ["curl"],
    "faketime": ["faketime"],
    "git": ["git"],
    "haproxy": ["haproxy"],
    "h2load": ["nghttp2-client"],
    "iptables": ["iptables"],
    "mmdebstrap": ["mmdebstrap", "gpg"],
    "nft": ["nftables"],
    "nginx": ["nginx-light"],
    "openssl": ["openssl"],
    "podman": ["podman", "netavark", "aardvark-dns"],
    "prometheus": ["prometheus"],
    "redis-server": ["redis-server"],
    "runc": ["runc"],
    "shellcheck": ["shellcheck"],
    "ssh": ["openssh-client"],
    "sshd": ["openssh-server"],
}
POLICY = Path("/usr/sbin/policy-rc.d")


class Unavailable(Exception):
    """Something is missing that cannot be provided from here."""


def say(text: str) -> None:
    print(f"provide: {text}", flush=True)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Two make runs in one checkout take turns."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / f".{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def no_services_started() -> Iterator[None]:
    """Installing haproxy or openssh-server must not open a port on the developer's machine."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def apt_install(packages: list[str]) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with no_services_started():
        for command in (
            ["apt-get", "-q", "update"],
            ["apt-get", "-q", "install", "-y", "--no-install-recommends", *packages],
        ):
            done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode:
                raise Unavailable(f"{' '.join(command)} failed:\n{done.stdout}")


def provide_packages(packages: list[str], why: str) -> None:
    """Install Debian packages, or say which are missing where that is not possible."""
    remedy = f"apt-get install {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise Unavailable(f"{why}, and this machine has no apt-get; what Debian calls: {remedy}")
    if os.geteuid() != 0:
        raise Unavailable(f"{why}, and only root may install packages; run as root: {remedy}")
    say(f"{why}: {remedy}")
    apt_install(packages)


def provide_commands(commands: list[str]) -> None:
    with locked("apt"):
        missing = [command for command in commands if shutil.which(command, path=clean_path()) is None]
        if missing:
            packages = [package for command in missing for package in PACKAGES[command]]
            provide_packages(packages, f"missing: {', '.join(missing)}")


def requirements_text(path: Path) -> str:
    """The text of a requirements file and of those it includes."""
    text = path.read_text()
    included = [line.split()[1] for line in text.splitlines() if line.startswith("-r ")]
    return text + "".join(requirements_text(path.parent / name) for name in included)


def create_venv(folder: Path, python: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    probe = subprocess.run([python, "-c", "import ensurepip"], capture_output=True, check=False)
    if probe.returncode:
        version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
        package = f"python{'.'.join(version.split('.')[:2])}-venv"
        with locked("apt"):
            provide_packages([package], f"{python} cannot make virtual environments")
    subprocess.run([python, "-m", "venv", folder], check=True)


def provide_venv(folder: Path, requirements: Path, python: Path, extra: list[str]) -> None:
    """A virtual environment that holds `requirements` and `extra`; made anew when any of them changed."""
    with locked(folder.name):
        key = "\n".join([str(python), requirements_text(requirements), *extra])
        digest = hashlib.sha256(key.encode()).hexdigest()
        stamp = folder / "provided"
        if stamp.exists() and stamp.read_text() == digest:
            return
        say(f"{folder.name} with {python}: {requirements.name} {' '.join(extra)}".rstrip())
        create_venv(folder, python)
        pip: list[str | Path] = [folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, "-r", requirements, *extra], stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"pip could not fill {folder.name}:\n{done.stderr}")
        stamp.write_text(digest)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    commands = kinds.add_parser("commands")
    commands.add_argument("commands", nargs="+", choices=sorted(PACKAGES))
    venv = kinds.add_parser("venv")
    venv.add_argument("folder", type=Path)
    venv.add_argument("requirements", type=Path)
    venv.add_argument("--python", help="version, e.g. 3.12; default: the one that runs this script")
    venv.add_argument("--with", dest="extra", action="append", default=[], help="one more requirement")
    options = parser.parse_args()
    try:
        if options.kind == "commands":
            provide_commands(options.commands)
        else:
            python = find_python(options.python) if options.python else Path(sys.executable)
            if python is None:
                raise Unavailable(f"there is no Python {options.python}")
            provide_venv(options.folder.resolve(), options.requirements, python, options.extra)
    except Unavailable as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
