"""What days without a link cost on the disk: bench_spool, on a clock of its own."""

import re
import subprocess
import sys
import tempfile

from support.builds import program

FIGURES = {"spool_7d_mib": "MiB", "spool_30d_mib": "MiB", "spool_rss_mib": "MiB"}


def run(*args):
    """The figures it prints; where it measures is memory, for disks differ and bytes do not."""
    with tempfile.TemporaryDirectory(prefix="bl-perf-", dir="/dev/shm") as folder:
        done = subprocess.run([program("bench_spool"), folder, *args], capture_output=True, text=True)
    print(done.stdout, done.stderr, file=sys.stderr)
    return {name: float(value) for name, value in
            re.findall(r"^(\w+) ([0-9.eE+-]+) ", done.stdout, re.M)}


def measure(names):
    return run("free", "30")
