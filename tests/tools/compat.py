"""Run the playbooks' smoke run on the oldest and the newest ansible-core that this machine's Pythons allow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from junit import Case, write
from project import BUILD, RESULTS, ROOT, clean_path, find_python

NEWEST = "ansible-core"
SERIES = {  # Python on the steering machine: series of ansible-core
    "3.11": ["ansible-core==2.18.*", "ansible-core==2.19.*"],
    "3.12": [NEWEST],
    "3.13": [NEWEST],
}


def smoke(python: str, core: str) -> Case:
    """One smoke run with that Python and that series, in a virtual environment of its own."""
    name = f"python {python}, {core}"
    print(f"compat: {name}", flush=True)
    folder = BUILD / f"venv-{python}-{core.replace('==', '-').removesuffix('.*')}"
    start = time.monotonic()
    provide = [sys.executable, "tests/tools/provide.py", "venv", str(folder), "tests/requirements-run.txt"]
    provided = subprocess.run([*provide, "--python", python, "--with", core], cwd=ROOT, check=False)
    if provided.returncode:
        return Case(name, time.monotonic() - start, "its virtual environment could not be made")
    env = {**os.environ, "PATH": clean_path(folder / "bin")}
    version = subprocess.run(["ansible", "--version"], env=env, capture_output=True, text=True, check=False)
    print(f"compat: {version.stdout.partition(chr(10))[0]}", flush=True)
    done = subprocess.run([folder / "bin/python", "demo/run.py", "--smoke"], cwd=ROOT, env=env, check=False)
    failure = f"the smoke run ended with exit status {done.returncode}" if done.returncode else ""
    return Case(name, time.monotonic() - start, failure)


def main() -> int:
    if not Path(ROOT, "demo/run.py").exists():
        print("compat: demo/run.py, which does the smoke run, is missing")
        return 1
    cases = []
    for python, series in SERIES.items():
        if find_python(python) is None:
            print(f"compat: skipped, there is no Python {python} here", flush=True)
            continue
        cases += [smoke(python, core) for core in series]
    for case in cases:
        print(f"compat: {case.name}: {'FAILED: ' + case.failure if case.failure else 'ok'} ({case.seconds:.0f} s)")
    shutil.rmtree(RESULTS / "compat", ignore_errors=True)
    write(RESULTS / "compat" / "compat.xml", "compat", cases)
    return int(not cases or any(case.failure for case in cases))


if __name__ == "__main__":
    sys.exit(main())
