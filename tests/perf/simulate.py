"""Agent-days a second of the simulator of delivery: "mix", as tests/sim runs it, one process."""

import os
import re
import subprocess
import sys
import tempfile

from support.builds import program

FIGURES = {"sim_agent_days_per_s": "agent-days/s"}


def measure(names):
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        done = subprocess.run(
            [program("sim_delivery"), "--seeds", "1-16", "--agents", "3", "--folder",
             "/dev/shm" if os.access("/dev/shm", os.W_OK) else folder], stdout=subprocess.PIPE, text=True)
    print(done.stdout, file=sys.stderr)
    found = re.search(r"^seeds .* agent_days ([0-9.]+) .* seconds ([0-9.]+)$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or found is None:
        return {}
    return {"sim_agent_days_per_s": float(found[1]) / float(found[2])}
