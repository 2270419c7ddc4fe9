"""Every static check, one after the other; a failing one does not hide the next."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from junit import Case, write
from project import BUILD, RESULTS, ROOT, clean_path, find_python

MANAGED = "3.9"  # the oldest Python on managed hosts
ON_MANAGED_HOSTS = ["plugins/modules", "plugins/module_utils"]
PACKAGES = ["demo", "tests/support", "tests/unit", "tests/integration", "tests/benchmark", "tests/chaos"]
SCRIPTS = ["tests/tools", "tests/hosts"]  # import each other by bare names
COLLECTIONS = str(ROOT / "playbooks/collections")
ENVIRONMENT = {"ANSIBLE_COLLECTIONS_PATH": COLLECTIONS, "PATH": clean_path(Path(sys.executable).parent)}
IMPORT_ALL = """\
import importlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
for path in sorted(p for folder in sys.argv[2:] for p in (root / folder).rglob("*.py")):
    name = ".".join(path.relative_to(root).with_suffix("").parts)
    importlib.import_module("ansible_collections.turnout.bluegreen." + name.removesuffix(".__init__"))
"""


def run(command: list[str], **env: str) -> str:
    """Run one command in the checkout; what it printed if it failed, else ""."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout or f"exit status {done.returncode}" if done.returncode else ""


def with_python(folders: list[str]) -> list[str]:
    return [folder for folder in folders if any((ROOT / folder).rglob("*.py"))]


def mypy() -> str:
    """The plugins by the name they are imported by, then everything that is imported from the checkout."""
    failures = run(["mypy", "-p", "ansible_collections.turnout.bluegreen.plugins"])
    failures += run(["mypy", "tests/conftest.py", *with_python(PACKAGES)])
    for folder in with_python(SCRIPTS):
        failures += run(["mypy", folder], MYPYPATH=folder)
    return failures


def managed_python() -> str:
    """Vermin reads which Python the code needs; where that Python exists, it imports the code too."""
    present = with_python(ON_MANAGED_HOSTS)
    failures = run(["vermin", f"--target={MANAGED}-", "--violations", "--no-tips", "--quiet", *present])
    python = find_python(MANAGED)
    if python is None:
        print(f"lint: no Python {MANAGED} here, so the modules are not imported by it", flush=True)
        return failures
    site = next(Path(sys.prefix, "lib").glob("python*/site-packages"))
    with tempfile.TemporaryDirectory() as only_ansible:
        Path(only_ansible, "ansible").symlink_to(site / "ansible")
        path = f"{only_ansible}{os.pathsep}{COLLECTIONS}"
        command = [str(python), "-B", "-c", IMPORT_ALL, str(ROOT), *present]
        return failures + run(command, PYTHONPATH=path)


def ansible_lint() -> str:
    home = BUILD / "home-lint"
    home.mkdir(parents=True, exist_ok=True)
    return run(["ansible-lint", "--offline", "--nocolor", "-q"], HOME=str(home))


CHECKS = {
    "ruff check": lambda: run(["ruff", "check", "--quiet"]),
    "ruff format": lambda: run(["ruff", "format", "--diff", "--quiet"]),
    "mypy": mypy,
    "yamllint": lambda: run(["yamllint", "--strict", "."]),
    "antsibull-changelog": lambda: run(["antsibull-changelog", "lint"]),
    f"python {MANAGED}": managed_python,
    "ansible-lint": ansible_lint,
}


def main() -> int:
    cases = []
    for name, check in CHECKS.items():
        start = time.monotonic()
        failure = check()
        cases.append(Case(name, time.monotonic() - start, failure))
        print(f"lint: {name}: {'FAILED' if failure else 'ok'} ({cases[-1].seconds:.1f} s)", flush=True)
        if failure:
            print(failure, flush=True)
    shutil.rmtree(RESULTS / "lint", ignore_errors=True)
    write(RESULTS / "lint" / "lint.xml", "lint", cases)
    return int(any(case.failure for case in cases))


if __name__ == "__main__":
    sys.exit(main())
