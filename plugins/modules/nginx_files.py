#!/usr/bin/python
# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_files
short_description: Write configuration files that nginx accepts
version_added: 0.1.0
description:
  - Writes files of an nginx configuration, all of them or none.
  - Asks nginx about the whole configuration as it would be, with all that it includes, before the first file is replaced.
    The question is a single file beside O(config_file) that is removed again; the answer names the real files and lines.
  - Writes files that the configuration does not include, too, and says which ones are included.
  - Does not reload nginx.
author:
  - The turnout.bluegreen authors (@turnout)
options:
  config_file:
    description: nginx's main configuration file. It may be one of O(files).
    type: path
    required: true
  files:
    description: The files. Their directories must exist, except in check mode.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where the file is.
        type: path
        required: true
      content:
        description: What is in it.
        type: str
        required: true
  binary:
    description: Path of the nginx binary.
    type: path
    default: /usr/sbin/nginx
attributes:
  check_mode:
    description: Says what would be written without asking nginx about it.
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
- name: Write what nginx accepts
  turnout.bluegreen.nginx_files:
    config_file: /etc/nginx/nginx.conf
    files:
      - path: /etc/nginx/conf.d/limits.conf
        content: |
          client_max_body_size 10m;
"""

RETURN = r"""
written:
  description: Paths of the files that were written, or would be.
  returned: always
  type: list
  elements: str
  sample: [/etc/nginx/conf.d/limits.conf]
included:
  description: Paths of those of O(files) that the configuration includes, or that are the configuration.
  returned: always, also when nginx refuses the configuration
  type: list
  elements: str
  sample: [/etc/nginx/conf.d/limits.conf]
backup:
  description: Path of the copy of the former O(config_file), when it was one of O(files) and is replaced.
  returned: when there was one to keep
  type: str
  sample: /etc/nginx/nginx.conf.4711.2026-01-01@03:00:00~
"""

import os
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.turnout.bluegreen.plugins.module_utils._errors import BadInput, TurnoutError
from ansible_collections.turnout.bluegreen.plugins.module_utils._files import PreparedFile, read_text
from ansible_collections.turnout.bluegreen.plugins.module_utils._nginx_files import Tree


def rehearse(module: AnsibleModule, tree: Tree) -> None:
    """Ask nginx about the whole configuration as it would be; its warnings become the module's.

    Raises:
        BadInput: nginx refuses it.
    """
    trial = PreparedFile(module.params["config_file"], ".trial")
    trial.write(tree.text())
    try:
        status, output, answer = module.run_command([module.params["binary"], "-t", "-c", trial.prepared])
    finally:
        trial.discard()
    answer = tree.explain((output + answer).strip(), trial.prepared)
    if status:
        raise BadInput(answer, "")
    for line in answer.splitlines():
        if "[warn]" in line:
            module.warn(line)


def write(contents: Mapping[str, str]) -> None:
    """Put the files in force on disk. All that can fail comes before the first rename.

    Raises:
        StorageError: no file was replaced.
    """
    files = [PreparedFile(path) for path in contents]
    try:
        for file, content in zip(files, contents.values()):
            file.write(content)
            if not os.path.exists(file.path):
                os.chmod(file.prepared, 0o644)
        for file in files:
            file.publish()
    finally:
        for file in files:
            file.discard()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "config_file": {"type": "path", "required": True},
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {"path": {"type": "path", "required": True}, "content": {"type": "str", "required": True}},
            },
            "binary": {"type": "path", "default": "/usr/sbin/nginx"},
        },
        supports_check_mode=True,
    )
    main_file = module.params["config_file"]
    contents = {file["path"]: file["content"] for file in module.params["files"]}
    tree = Tree(main_file, contents)
    result: dict[str, Any] = {"included": tree.included}
    try:
        before = {path: read_text(path) for path in contents}
        new = {path: content for path, content in contents.items() if before[path] != content}
        if new and not module.check_mode:
            rehearse(module, tree)
            if before.get(main_file) and main_file in new:
                result["backup"] = module.backup_local(main_file)
            write(new)
    except TurnoutError as error:
        module.fail_json(msg=f"{error.message}; {error.remedy}".rstrip("; "), reason=error.reason, **result)
    module.exit_json(
        changed=bool(new),
        written=list(new),
        diff=[
            {"before": before[path] or "", "after": content, "before_header": path, "after_header": path}
            for path, content in new.items()
        ],
        **result,
    )


if __name__ == "__main__":
    main()
