"""Run `ansible-test sanity` on a copy of the collection, with a home folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

from project import BUILD, COLLECTION, RESULTS, clean_path, copy_collection

HOME = BUILD / "home-sanity"
COPY = BUILD / "sanity" / COLLECTION
PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

# ansible-test starts pip in its environments by this script. It stands in for get-pip.py where that
# cannot be downloaded: pip's own wheel, fetched from the package index, installs itself.
GET_PIP = """\
import sys
sys.path.insert(0, {wheel!r})
from pip._internal.cli.main import main
arguments = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(main(["install", "--upgrade", *arguments]))
"""


def pip_version() -> str:
    """The version of pip that this ansible-test puts into its environments."""
    code = (
        "from types import SimpleNamespace; from ansible_test._internal.python_requirements import"
        f" get_venv_packages; print(get_venv_packages(SimpleNamespace(version={PYTHON_VERSION!r}))['pip'])"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def get_pip_url(version: str) -> str:
    """Where this ansible-test would download get-pip.py from."""
    code = "import ansible_test; print(ansible_test.__path__[0])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    source = Path(found, "_util/target/setup/requirements.py").read_text()
    match = re.search(r"url = '(https://[^']*get-pip-%s\.py)'", source)
    if match is None:
        raise SystemExit("sanity: this ansible-test does not say where it has get-pip.py from")
    return match.group(1) % version


def provide_get_pip() -> None:
    version = pip_version()
    cached = HOME / ".ansible/test/cache" / f"get_pip_{version.replace('.', '_')}.py"
    if cached.exists():
        return
    cached.parent.mkdir(parents=True, exist_ok=True)
    try:
        with urllib.request.urlopen(get_pip_url(version), timeout=20) as answer:
            text = answer.read().decode()
    except OSError as error:
        print(f"sanity: get-pip.py cannot be downloaded ({error}); pip's wheel stands in for it", flush=True)
        download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(cached.parent)]
        subprocess.run([*download, f"pip=={version}"], check=True)
        text = GET_PIP.format(wheel=str(next(cached.parent.glob(f"pip-{version}-*.whl"))))
    cached.write_text(text)


def main() -> int:
    provide_get_pip()
    COPY.mkdir(parents=True, exist_ok=True)
    copy_collection(COPY)
    shutil.rmtree(COPY / "tests/output", ignore_errors=True)
    env = {**os.environ, "HOME": str(HOME), "PATH": clean_path(Path(sys.executable).parent)}
    if not (COPY / ".git").exists():  # or ansible-test asks the checkout around it, which ignores build/
        subprocess.run(["git", "init", "-q", COPY], check=True, env=env)
    command = [
        "ansible-test",
        "sanity",
        "--python",
        PYTHON_VERSION,
        "--junit",
        "--color",
        "no",
        *sys.argv[1:],
    ]
    done = subprocess.run(command, cwd=COPY, env=env, check=False)
    shutil.rmtree(RESULTS / "sanity", ignore_errors=True)
    if (COPY / "tests/output/junit").exists():
        shutil.copytree(COPY / "tests/output/junit", RESULTS / "sanity")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
