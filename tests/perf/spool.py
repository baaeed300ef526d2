"""What days without a link cost on the disk: bench_spool, on a clock of its own."""

import re
import subprocess
import sys
import tempfile

from support.builds import program

FIGURES = {"spool_7d_mib": "MiB", "spool_30d_mib": "MiB", "spool_rss_mib": "MiB",
           "capped_30d_events_kept": "ratio", "capped_30d_rss_mib": "MiB"}
CAP_MIB = 20e6 / 2**20


def run(*args):
    """The figures it prints; where it measures is memory, for disks differ and bytes do not."""
    with tempfile.TemporaryDirectory(prefix="bl-perf-", dir="/dev/shm") as folder:
        done = subprocess.run([program("bench_spool"), folder, *args], capture_output=True, text=True)
    print(done.stdout, done.stderr, file=sys.stderr)
    return {name: float(value) for name, value in
            re.findall(r"^(\w+) ([0-9.eE+-]+) ", done.stdout, re.M)}


def capped():
    """Nothing is given out when the cap was passed or the ledger is not exact: then it is no figure."""
    found = run("capped", "30", f"{CAP_MIB:.6f}")
    if found.get("capped_30d_ledger_exact") != 1 or found.get("capped_30d_under_cap") != 1:
        return {}
    return {"capped_30d_events_kept": found["capped_30d_events_kept"],
            "capped_30d_rss_mib": found["spool_rss_mib"]}


def measure(names):
    values = {}
    if any(name.startswith("spool_") for name in names):
        values.update(run("free", "30"))
    if any(name.startswith("capped_") for name in names):
        values.update(capped())
    return values
