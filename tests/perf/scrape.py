"""Pages of exporters, read again and again: release build, one core, CPU time."""

import re
import subprocess
import sys
from pathlib import Path

from support.builds import program

FIGURES = {"scrape_series_per_cpu_s": "series/s", "scrape_first_page_us": "us"}
PAGE = Path(__file__).resolve().parents[1] / "data" / "scrape" / "pages" / "node.txt"


def measure(names):
    done = subprocess.run([program("bench_scrape"), PAGE], capture_output=True, text=True)
    print(done.stdout, done.stderr, file=sys.stderr)
    if done.returncode != 0:
        return {}
    return {name: float(value) for name, value in re.findall(r"^(\w+) ([0-9.]+) ", done.stdout, re.MULTILINE)
            if name in names}
