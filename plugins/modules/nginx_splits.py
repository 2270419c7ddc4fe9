#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_splits
short_description: Make the directories of nginx's splits, and never change a split
version_added: 0.1.0
description:
  - The split of a service is the symbolic link C(current) in the directory of the service. It leads to C(w0), C(w1) ... or
    C(w100), a directory with as many empty files as its name says.
  - Makes sure that C(w0) and C(w100) are there, so that a rollback needs no space on the disk.
  - Lets C(current) lead to C(w0), which is all on blue, when there is no such link. A link that is there stays, whatever it says.
  - Fails, and writes nothing, when C(current) is not such a link, or a directory does not have the files that its name says.
  - Works under the same lock as M(turnout.bluegreen.nginx_traffic).
author:
  - The turnout.bluegreen authors (@turnout)
options:
  directory:
    description: Directory of the services' directories, which must exist, except in check mode.
    type: path
    required: true
  services:
    description: Names of the services.
    type: list
    elements: str
    required: true
  state_dir:
    description: Directory of the journals and locks, which must exist, except in check mode.
    type: path
    default: /var/lib/turnout
attributes:
  check_mode:
    description: Says what would be done without doing it.
    support: full
  diff_mode:
    description: Returns what has changed, or would.
    support: full
  idempotent:
    description: A second run with the same parameters changes nothing.
    support: full
  platform:
    description: Operating systems that the module runs on.
    platforms: posix
    support: full
"""

EXAMPLES = r"""
- name: The service shop starts on blue
  turnout.bluegreen.nginx_splits:
    directory: /etc/nginx/bluegreen
    services: [shop]
"""

RETURN = r"""
added:
  description: Paths of the links and directories that were made, or would be.
  returned: always
  type: list
  elements: str
  sample: [/etc/nginx/bluegreen/shop/current]
percent:
  description: Percent of green of each service, as the link says.
  returned: always
  type: dict
  sample: {shop: 0}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import NotConfigured, TurnoutError
from ansible_collections.turnout.bluegreen.plugins.module_utils._files import locked
from ansible_collections.turnout.bluegreen.plugins.module_utils._journal_file import JournalFile
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx.split_directory import ENDS, SplitDirectory, directory_name
from ansible_collections.turnout.bluegreen.plugins.module_utils._routing import Split

START = Split(0)


def check(directory: SplitDirectory) -> Split | None:
    """The split in force on disk; None when there is none yet.

    Raises:
        NotConfigured: what is there does not mean a split.
    """
    split = directory.durable() if os.path.lexists(directory.link) else None
    for known in {*ENDS, split or START}:
        there = os.path.lexists(os.path.join(directory.path, directory_name(known)))
        trouble = directory.trouble(known) if there or known == split else ""
        if trouble and known == split:
            raise NotConfigured(
                f"{trouble}. {directory.link} leads there, so to correct it would move traffic",
                "switch to the split that is meant with the traffic module or 'turnout switch', then run again",
            )
        if trouble:
            raise NotConfigured(
                trouble, f"remove it (rm -r {directory.path}/{directory_name(known)}), then run again: it is made anew"
            )
    return split


def lay_out(directory: SplitDirectory) -> None:
    """Make what is missing.

    Raises:
        NotConfigured: what is there does not mean a split.
        StorageError: the file system does not take it.
    """
    split = check(directory)
    for end in ENDS:
        directory.provide(end)
    if split is None:
        directory.stage(START)
        directory.commit()


def missing(directory: SplitDirectory, split: Split | None) -> list[str]:
    """Paths of what :func:`lay_out` would make."""
    names = [directory_name(end) for end in ENDS] + ([] if split else ["current"])
    paths = [os.path.join(directory.path, name) for name in names]
    return [path for path in paths if not os.path.lexists(path)]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "services": {"type": "list", "elements": "str", "required": True},
            "state_dir": {"type": "path", "default": "/var/lib/turnout"},
        },
        supports_check_mode=True,
    )
    services = module.params["services"]
    directories = {name: SplitDirectory(os.path.join(module.params["directory"], name)) for name in services}
    try:
        splits = {name: check(directory) for name, directory in directories.items()}
        added = {name: missing(directory, splits[name]) for name, directory in directories.items()}
        for name, directory in directories.items():
            if added[name] and not module.check_mode:
                with locked(JournalFile(module.params["state_dir"], name).lock):
                    lay_out(directory)
    except TurnoutError as error:
        module.fail_json(msg=f"{error.message}; {error.remedy}".rstrip("; "), reason=error.reason)
    paths = [path for name in services for path in added[name]]
    module.exit_json(
        changed=bool(paths),
        added=paths,
        percent={name: (split or START).green for name, split in splits.items()},
        diff={"before": "", "after": "".join(f"{path}\n" for path in paths)},
    )


if __name__ == "__main__":
    main()
