# Copyright (c) The turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private sshd on a free loopback port, for measurements over a real SSH connection."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.support.net import HOST, accepts, end, free_port, short_directory, wait_until

# sshd_config(5). StrictModes would refuse a key below /tmp; MaxStartups would drop a burst of connections.
CONFIG = """\
{listen}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
MaxSessions 100
Subsystem sftp internal-sftp
"""


class Sshd:
    """sshd with its own host key and one authorized key, for the user who runs the tests.

    Args:
        addresses: of loopback (127.0.0.0/8); Ansible keeps a connection to each of them as to a host of its own.
    """

    def __init__(self, addresses: Sequence[str] = (HOST,)) -> None:
        binary = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if binary is None:
            raise FileNotFoundError("sshd is not installed (Debian: openssh-server)")
        self.binary, self.port, self.user = binary, free_port(), getpass.getuser()
        self.addresses = tuple(addresses)
        self._folder = short_directory("ssh")
        self.folder = Path(self._folder.name)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        for name in ("host_key", "user_key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
            subprocess.run(command, check=True)
        key = (self.folder / "host_key.pub").read_text(encoding="ascii")
        places = ",".join(f"[{address}]:{self.port}" for address in self.addresses)
        (self.folder / "known_hosts").write_text(f"{places} {key}", encoding="ascii")
        (self.folder / "control").mkdir()
        config = self.folder / "sshd_config"
        listen = "\n".join(f"ListenAddress {address}:{self.port}" for address in self.addresses)
        config.write_text(CONFIG.format(listen=listen, folder=self.folder), encoding="ascii")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd of root separates its privileges
        with (self.folder / "sshd.log").open("ab") as log:
            command = [self.binary, "-D", "-e", "-f", str(config)]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for address in self.addresses:
            wait_until(partial(accepts, self.port, address), f"sshd on {address}, port {self.port}")

    @property
    def host_vars(self) -> dict[str, object]:
        """Host variables for an inventory, with a private folder for ControlPersist."""
        return self.host_vars_of(self.addresses[0])

    def host_vars_of(self, address: str) -> dict[str, object]:
        """The same for the host at one of the addresses."""
        return {
            "ansible_connection": "ssh",
            "ansible_host": address,
            "ansible_port": self.port,
            "ansible_user": self.user,
            "ansible_ssh_private_key_file": str(self.folder / "user_key"),
            "ansible_ssh_common_args": f"-F /dev/null -o UserKnownHostsFile={self.folder}/known_hosts"
            " -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes",
            "ansible_control_path_dir": str(self.folder / "control"),
            "ansible_python_interpreter": sys.executable,
        }

    def disconnect(self) -> None:
        """End the connections that ControlPersist keeps, so that the next one is cold."""
        for control in (self.folder / "control").glob("*"):
            command = ["ssh", "-F", "/dev/null", "-o", f"ControlPath={control}", "-O", "exit", HOST]
            subprocess.run(command, capture_output=True, check=False)

    def stop(self) -> None:
        self.disconnect()
        if self.process is not None:
            end(self.process)
        self._folder.cleanup()

    def __enter__(self) -> Sshd:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()
