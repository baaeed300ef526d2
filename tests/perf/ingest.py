"""The collector's writer path without a network: dedupe, inflate, verify, store, commit."""

import re
import subprocess
import sys
import tempfile

from support.builds import program

FIGURES = {"ingest_samples_per_cpu_s": "samples/s"}


def measure(names):
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        done = subprocess.run([program("bench_ingest"), folder], capture_output=True, text=True)
    print(done.stdout, done.stderr, file=sys.stderr)
    found = re.search(r"ingest_samples_per_cpu_s\s+([0-9.eE+]+)", done.stdout)
    return {"ingest_samples_per_cpu_s": float(found.group(1))} if found else {}
