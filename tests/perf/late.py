"""One history of 20 sites and two days, live and torn: how many of 20 seeds end byte for byte the same."""

import os
import re
import subprocess
import sys
import tempfile

from support.builds import program

FIGURES = {"kpi_late_equals_live_seeds": "of 20 seeds", "rules_late_equals_live_seeds": "of 20 seeds"}


def measure(names):
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        done = subprocess.run(
            [program("sim_late"), "--seeds", "1-20", "--folder",
             "/dev/shm" if os.access("/dev/shm", os.W_OK) else folder], stdout=subprocess.PIPE, text=True)
    print(done.stdout, file=sys.stderr)
    found = dict(re.findall(r"^(\w+) ([0-9]+) seeds$", done.stdout, re.MULTILINE))
    return {name: float(found[name]) for name in FIGURES if name in found}
