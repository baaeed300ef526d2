"""Two minutes of `branchline torture`: what it lost and what it stored twice. Anything but 0 is a defect."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from support.builds import program

FIGURES = {"torture_lost": "values", "torture_doubled": "values"}
MINUTES = 2


def measure(names):
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        done = subprocess.run(
            [program("branchline"), "torture", "--minutes", str(MINUTES), "--folder", Path(folder) / "scratch",
             "--language", "en"], capture_output=True, text=True)
    print(done.stdout, done.stderr, file=sys.stderr)
    found = re.search(r"^generated \d+ accepted \d+ stored \d+ doubled (\d+) lost (\d+) explained \d+$", done.stdout, re.M)
    # Judged and held, or judged and not: both are figures. What could not be judged is none.
    if found is None or done.returncode not in (0, 1):
        return {}
    return {"torture_doubled": float(found[1]), "torture_lost": float(found[2])}
