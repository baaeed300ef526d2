"""What a browser loads before anything is shown: index.html and all that it names, gzip -9."""

import gzip
import re
import subprocess
import sys
from pathlib import Path

FIGURES = {"first_load_gzip_kb": "kB"}

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "collector" / "web" / "dist"


def build():
    """By the same function as quickstart and the tests; nothing when it is up to date."""
    return subprocess.run(
        ["bash", "-c", 'BL_PROGRAM=tests/perf/run BL_ROOT=$1 && . "$1/provisioning/lib.sh"'
         ' && need_node "$1/build/node" && web_build', "bash", str(ROOT)], stdout=sys.stderr).returncode == 0


def measure(names):
    if not build():
        return {}
    page = (DIST / "index.html").read_text(encoding="utf-8")
    files = [DIST / "index.html"]
    files += [DIST / name.lstrip("/") for name in re.findall(r'(?:src|href)="(/assets/[^"]+)"', page)]
    sizes = {file.name: len(gzip.compress(file.read_bytes(), 9)) for file in files}
    for name, size in sizes.items():
        print(f"perf: {size:8} {name}", file=sys.stderr)
    return {"first_load_gzip_kb": sum(sizes.values()) / 1000}
