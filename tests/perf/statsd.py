"""What a StatsD packet costs the agent's inlet, over a real UDP socket."""

import os
import re
import subprocess
import sys

from support.builds import program

FIGURES = {"statsd_packets_per_s": "packets/s"}


def measure(names):
    done = subprocess.run([program("bench_statsd"), os.environ.get("BL_PERF_STATSD_PACKETS", "2048000")],
                          capture_output=True, text=True)
    print(done.stdout, done.stderr, file=sys.stderr)
    found = re.search(r"packets_per_cpu_s ([0-9.]+)", done.stdout)
    # None when a value was counted wrongly.
    return {"statsd_packets_per_s": float(found.group(1))} if found and done.returncode == 0 else {}
