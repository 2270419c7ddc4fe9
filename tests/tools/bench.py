"""Run every benchmark; each merges its numbers into build/bench.json, which is printed at the end."""

from __future__ import annotations

import subprocess
import sys

from project import BUILD, ROOT


def main() -> int:
    scripts = sorted(path for path in (ROOT / "tests/benchmark").glob("*.py") if not path.name.startswith("_"))
    if not scripts:
        print("bench: there is nothing in tests/benchmark")
        return 1
    failed = []
    for script in scripts:
        print(f"bench: {script.name}", flush=True)
        if subprocess.run([sys.executable, script], cwd=ROOT, check=False).returncode:
            failed.append(script.name)
    results = BUILD / "bench.json"
    if results.exists():
        print(results.read_text().rstrip())
    for name in failed:
        print(f"bench: {name} FAILED")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
