"""Test hosts: podman containers with systemd and sshd, reached over SSH as user `ops`, who may sudo.

    hosts.py image                          build the image, once
    hosts.py up router blue1 green1 ...     start hosts; prints the inventory
    hosts.py reboot NAME                    as after a power cut
    hosts.py down                           remove what `up` started
    hosts.py clean                          remove every host of this checkout, and the image

`--state FOLDER` (default build/hosts/manual) keeps the key, the names and the inventory of one set of
hosts; different folders are different sets. A name that starts with `router`, `blue` or `green` puts a
host into the group `routers`, `blue` or `green`. `up --disk router:/var/lib/turnout` gives each host whose
name starts with `router` a small disk of its own there, which a test can fill; it outlives a power cut.
"""

from __future__ import annotations

import argparse
import fcntl
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import PIPE

HERE = Path(__file__).resolve().parent
STATES = HERE.parents[1] / "build/hosts"
IMAGE = "localhost/turnout-host"
GROUPS = {"router": "routers", "blue": "blue", "green": "green"}
BOOT = 60  # seconds until a host must be up
DISK = "size=1m,nr_inodes=4k"  # a small disk: tmpfs(5)
PACKAGES = [
    "ca-certificates", "curl", "dbus", "haproxy", "iproute2", "nftables", "nginx", "openssh-server", "openssl",
    "procps", "prometheus", "python3", "python3-apt", "redis-server", "socat", "sudo", "systemd", "systemd-sysv",
]  # fmt: skip

# On a machine that is itself confined (an old cgroup layout, low limits) podman's defaults do not
# start a systemd that can sandbox its units; these flags do. `image` tries which of the two it takes.
ORDINARY = ["--cap-add=AUDIT_WRITE"]  # sshd logs terminals to the kernel's audit
CONFINED = [
    *ORDINARY,
    "--runtime=runc",
    "--cap-add=SYS_ADMIN",
    "--security-opt=seccomp=unconfined",
    "--ulimit=nofile=8192:8192",
    "--ulimit=nproc=8192:8192",
]
SANDBOXED = ["systemd-run", "--quiet", "--wait", "-p", "PrivateTmp=yes", "-p", "ProtectSystem=strict", "true"]


class HostError(Exception):
    """A host, or the image of all hosts, cannot be had."""


def run(*command: str | Path, check: bool = True) -> str:
    """Run a command and return what it printed; raises HostError with all its output."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise HostError(f"{' '.join(str(word) for word in command)}:\n{done.stdout}{done.stderr}")
    return done.stdout.strip() if done.returncode == 0 else ""


def say(text: str) -> None:
    print(f"hosts: {text}", file=sys.stderr, flush=True)


# --- image ---------------------------------------------------------------------------------------


def codename() -> str:
    """The machine's own Debian release, which the hosts get too."""
    text = Path("/etc/os-release").read_text()
    match = re.search(r"^VERSION_CODENAME=(\S+)$", text, re.MULTILINE)
    if match is None:
        raise HostError("/etc/os-release names no VERSION_CODENAME; the hosts can be built on Debian only")
    return match.group(1)


def has_release(path: Path, release: str) -> bool:
    return path.is_file() and re.search(rf"^[^#]*\b{release}\b", path.read_text(), re.MULTILINE) is not None


def apt_sources(release: str) -> list[Path]:
    """The machine's own apt sources of `release`: its mirror is the one that can be reached."""
    apt = Path("/etc/apt")
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    files += sorted((apt / "sources.list.d").glob("*.sources"))
    found = [path for path in files if path.is_file() and has_release(path, release)]
    if not found:
        raise HostError(f"no apt source under {apt} is for {release}")
    return found


def apt_options() -> list[str]:
    """The machine's own ways to its mirror: proxies, certificates, dates it does not check."""
    dump = run("apt-config", "dump").splitlines()
    wanted = re.compile(r"^Acquire::(https?::(Proxy|CaInfo|CaPath|Verify-)|Check-(Date|Valid-Until) )")
    return [option for option in dump if wanted.match(option)]


def image_tag() -> str:
    """The image's name with a digest of all that it is made of."""
    release = codename()
    recipe = [release, *PACKAGES, (HERE / "image.sh").read_text()]
    recipe += [path.read_text() for path in apt_sources(release)] + apt_options()
    return f"{IMAGE}:{hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:16]}"


def build_image(tag: str) -> None:
    say(f"building {tag}")
    release = codename()
    make = ["mmdebstrap", "--quiet", "--variant=apt", "--format=tar", f"--include={','.join(PACKAGES)}"]
    make += [f"--aptopt={option}" for option in apt_options()]
    make += [f'--customize-hook={HERE / "image.sh"} "$1"', release, "-"]
    make += [str(path) for path in apt_sources(release)]
    with tempfile.TemporaryFile() as errors, subprocess.Popen(make, stdout=PIPE, stderr=errors) as maker:
        importer = ["podman", "import", "--quiet", "-", tag]
        imported = subprocess.run(importer, stdin=maker.stdout, capture_output=True, check=False)
        if maker.stdout:
            maker.stdout.close()  # or mmdebstrap waits for ever for a reader that gave up
        failed = maker.wait() or imported.returncode
        errors.seek(0)
        report = errors.read().decode() + imported.stderr.decode()
    if failed:
        run("podman", "rmi", "--force", tag, check=False)
        raise HostError(f"the image could not be built:\n{report}")


def starts(tag: str, flags: list[str]) -> bool:
    """Whether a host with these flags boots and can sandbox a unit, as HAProxy's own unit is."""
    name = f"turnout-try-{secrets.token_hex(3)}"
    try:
        run("podman", "run", "--detach", f"--name={name}", *flags, "--systemd=always", tag, "/sbin/init")
        wait_for_boot(name)
        run("podman", "exec", name, *SANDBOXED)
        run("podman", "exec", name, "systemctl", "is-active", "ssh", "haproxy")
    except HostError as error:
        say(f"with the flags {' '.join(flags)}: {str(error).splitlines()[-1]}")
        return False
    finally:
        run("podman", "rm", "--force", "--time=0", name, check=False)
    return True


def image() -> tuple[str, list[str]]:
    """The image, built if need be, and the flags that hosts take on this machine."""
    if os.geteuid() != 0:
        raise HostError("the hosts have addresses of their own, which only root can give them; run as root")
    tag = image_tag()
    STATES.mkdir(parents=True, exist_ok=True)
    with (STATES / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return tag, provide_image(tag)


def provide_image(tag: str) -> list[str]:
    """Build the image unless it is there; the flags that its hosts take."""
    remembered = STATES / "flags.json"
    question = {"image": tag, "choice": [ORDINARY, CONFINED]}
    known = json.loads(remembered.read_text()) if remembered.exists() else {}
    if not run("podman", "images", "--quiet", tag):
        build_image(tag)
    elif known.get("question") == question:
        return list(known["flags"])
    flags = next((flags for flags in (ORDINARY, CONFINED) if starts(tag, flags)), None)
    if flags is None:
        raise HostError(f"{tag} does not start on this machine")
    remembered.write_text(json.dumps({"question": question, "flags": flags}))
    return flags


# --- hosts ---------------------------------------------------------------------------------------


def wait_for_boot(container: str) -> None:
    """Until systemd has started all units; a failed unit is an error, and so is a slow boot."""
    deadline = time.monotonic() + BOOT
    state = ""
    while time.monotonic() < deadline:
        state = run("podman", "exec", container, "sh", "-c", "systemctl is-system-running || true", check=False)
        if state == "running":
            return
        if state == "degraded":
            failed = run("podman", "exec", container, "systemctl", "--failed", "--plain", "--no-legend")
            raise HostError(f"{container}: units that failed: {failed}")
        time.sleep(0.1)
    raise HostError(f"{container} did not boot in {BOOT} s; systemd says: {state or 'nothing'}")


def ssh_socket(prefix: str) -> str:
    """Where SSH keeps the connections to one set of hosts: a later set with their addresses has its own."""
    return f"{tempfile.gettempdir()}/{prefix}-"


def inventory(state: Path, prefix: str, addresses: dict[str, str]) -> dict[str, object]:
    """The hosts as an Ansible inventory, in JSON, which is YAML too."""
    groups: dict[str, dict[str, dict[str, dict[str, str]]]] = {}
    for name, address in addresses.items():
        group = next((GROUPS[prefix] for prefix in GROUPS if name.startswith(prefix)), "others")
        groups.setdefault(group, {"hosts": {}})["hosts"][name] = {"ansible_host": address}
    options = [f"UserKnownHostsFile={state / 'known_hosts'}", "StrictHostKeyChecking=accept-new"]
    options += ["IdentitiesOnly=yes", f"ControlPath={ssh_socket(prefix)}%h"]
    variables = {
        "ansible_user": "ops",
        "ansible_become": True,
        "ansible_ssh_private_key_file": str(state / "key"),
        "ansible_ssh_common_args": " ".join(f"-o {option}" for option in options),
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    return {"all": {"vars": variables, "children": groups}}


def up(state: Path, names: list[str], disks: Sequence[tuple[str, str]] = ()) -> Path:
    """Start hosts and wait until they are up; the path of their inventory.

    Args:
        disks: the start of a name, and where each host with such a name gets a small disk.
    """
    tag, flags = image()
    down(state)
    state.mkdir(parents=True)
    prefix = f"turnout-{secrets.token_hex(3)}"
    (state / "set.json").write_text(json.dumps({"prefix": prefix, "names": names}))
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", prefix, "-f", state / "key")
    run("podman", "network", "create", prefix)
    subnet = json.loads(run("podman", "network", "inspect", prefix))[0]["subnets"][0]["subnet"]
    network = subnet.rpartition(".")[0]
    addresses = {name: f"{network}.{number}" for number, name in enumerate(names, 11)}
    common = [f"--add-host={name}:{address}" for name, address in addresses.items()]
    common += [f"--volume={state / 'key.pub'}:/etc/ssh/authorized_keys:ro", *flags, "--systemd=always"]
    for name, address in addresses.items():
        own = [f"--name={prefix}-{name}", f"--hostname={name}", f"--network={prefix}"]
        own += [f"--ip={address}", f"--mac-address={mac(address)}"]
        own += [f"--volume={make_disk(disk(state, name, at))}:{at}" for start, at in disks if name.startswith(start)]
        run("podman", "run", "--detach", *own, *common, tag, "/sbin/init")
    for name in names:
        wait_for_boot(f"{prefix}-{name}")
    path = state / "inventory.yml"
    path.write_text(json.dumps(inventory(state, prefix, addresses), indent=2) + "\n")
    return path


def mac(address: str) -> str:
    """A hardware address that outlives a reboot: neighbours would go on using the old one for a while."""
    return ":".join(["02:00", *(f"{int(number):02x}" for number in address.split("."))])


def load(state: Path) -> tuple[str, list[str]]:
    """The prefix and the names of the set of hosts that `state` describes."""
    known = json.loads((state / "set.json").read_text())
    return known["prefix"], known["names"]


def container(state: Path, name: str) -> str:
    """The container that is the host."""
    prefix, names = load(state)
    if name not in names:
        raise HostError(f"there is no host {name}; there are {', '.join(names)}")
    return f"{prefix}-{name}"


def init_pid(state: Path, name: str) -> int:
    """The first process of a host that is up, as this machine numbers it: it has the host's namespaces."""
    return int(run("podman", "inspect", "--format={{.State.Pid}}", container(state, name)))


def reboot(state: Path, name: str) -> None:
    run("podman", "restart", "--time=0", container(state, name))
    wait_for_boot(container(state, name))


def off(state: Path, name: str) -> None:
    """A power cut: all processes end at once."""
    run("podman", "kill", container(state, name))
    run("podman", "wait", container(state, name))


def on(state: Path, name: str) -> None:
    run("podman", "start", container(state, name))
    wait_for_boot(container(state, name))


def disk(state: Path, name: str, at: str) -> Path:
    """Where this machine has the small disk that a host has at the path `at`."""
    return state / "disks" / name / at.strip("/")


def make_disk(path: Path) -> Path:
    path.mkdir(parents=True)
    run("mount", "-t", "tmpfs", "-o", DISK, "turnout", path)
    return path


def disks(state: Path) -> list[Path]:
    """The small disks of all hosts that are mounted on this machine."""
    mounted = (line.split()[1] for line in Path("/proc/mounts").read_text().splitlines())
    return [Path(path) for path in mounted if path.startswith(f"{state}/disks/")]


def down(state: Path) -> None:
    """Remove the hosts that `state` describes, if there are any, and `state`."""
    if (state / "set.json").exists():
        prefix, names = load(state)
        for control in glob.glob(f"{ssh_socket(prefix)}*"):
            run("ssh", "-o", f"ControlPath={control}", "-O", "exit", "any", check=False)
        for name in names:
            run("podman", "rm", "--force", "--time=0", "--ignore", f"{prefix}-{name}")
        run("podman", "network", "rm", "--force", prefix, check=False)
    for path in disks(state):
        run("umount", path)
    shutil.rmtree(state, ignore_errors=True)


def clean() -> None:
    for path in STATES.glob("*/set.json"):
        down(path.parent)
    for tag in run("podman", "images", "--format", "{{.Repository}}:{{.Tag}}", IMAGE).splitlines():
        run("podman", "rmi", tag, check=False)  # stays while hosts of another checkout use it
    shutil.rmtree(STATES, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, default=STATES / "manual", metavar="FOLDER")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("image")
    starting = actions.add_parser("up")
    starting.add_argument("names", nargs="+")
    starting.add_argument("--disk", action="append", default=[], metavar="NAME:PATH")
    actions.add_parser("reboot").add_argument("name")
    actions.add_parser("down")
    actions.add_parser("clean")
    options = parser.parse_args()
    state = options.state.resolve()
    try:
        if options.action == "image":
            image()
        elif options.action == "up":
            print(up(state, options.names, [tuple(disk.split(":", 1)) for disk in options.disk]).read_text(), end="")
        elif options.action == "reboot":
            reboot(state, options.name)
        elif options.action == "down":
            down(state)
        else:
            clean()
    except HostError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
