"""The collector's writer path without a network: dedupe, inflate, verify, store, commit."""

import re
import subprocess
import sys
import tempfile

from support.builds import program

FIGURES = {"ingest_samples_per_cpu_s": "samples/s", "clock_1970_cpu_ratio": "ratio"}
# A thousand agents, twenty minutes.
ARGUMENTS = {"ingest_samples_per_cpu_s": [], "clock_1970_cpu_ratio": ["1000", "20", "1970"]}


def measure(names):
    values = {}
    for name in names:
        with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
            done = subprocess.run([program("bench_ingest"), folder, *ARGUMENTS[name]], capture_output=True, text=True)
        print(done.stdout, done.stderr, file=sys.stderr)
        if found := re.search(rf"{name}\s+([0-9.eE+]+)", done.stdout):
            values[name] = float(found.group(1))
    return values
