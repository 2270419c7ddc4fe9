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

SERIES = {  # Python on the machine that steers: series of ansible-core
    "3.11": ["ansible-core==2.18.*", "ansible-core==2.19.*"],
}
NEWEST = ["3.14", "3.13", "3.12"]  # the first of these that exists gets the newest ansible-core


def runs() -> list[tuple[str, str]]:
    """Pairs of Python and ansible-core to try; says what is left out for want of a Python."""
    series = dict(SERIES)
    newest = next(filter(find_python, NEWEST), None)
    if newest:
        series[newest] = ["ansible-core"]
    else:
        print(f"compat: skipped the newest ansible-core, there is no Python {', '.join(NEWEST)} here", flush=True)
    for python in SERIES:
        if find_python(python) is None:
            print(f"compat: skipped {', '.join(series.pop(python))}, there is no Python {python} here", flush=True)
    return [(python, core) for python, cores in series.items() for core in cores]


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
    compiled = BUILD / "compiled"
    compiled.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "PATH": clean_path(folder / "bin")}
    env.update(PYTHONPATH=str(ROOT / "tests/support/compiled"), TURNOUT_COMPILED=str(compiled))
    version = subprocess.run(["ansible", "--version"], env=env, capture_output=True, text=True, check=False)
    print(f"compat: {version.stdout.partition(chr(10))[0]}", flush=True)
    done = subprocess.run([folder / "bin/python", "demo/run.py", "--smoke"], cwd=ROOT, env=env, check=False)
    failure = f"the smoke run ended with exit status {done.returncode}" if done.returncode else ""
    return Case(name, time.monotonic() - start, failure)


def main() -> int:
    if not Path(ROOT, "demo/run.py").exists():
        print("compat: demo/run.py, which does the smoke run, is missing")
        return 1
    cases = [smoke(python, core) for python, core in runs()]
    for case in cases:
        print(f"compat: {case.name}: {'FAILED: ' + case.failure if case.failure else 'ok'} ({case.seconds:.0f} s)")
    shutil.rmtree(RESULTS / "compat", ignore_errors=True)
    write(RESULTS / "compat" / "compat.xml", "compat", cases)
    return int(not cases or any(case.failure for case in cases))


if __name__ == "__main__":
    sys.exit(main())
