"""One series over 24 h at a minute a step: the reader's CPU time, warm."""

import re
import subprocess
import sys
import tempfile

from support.builds import program

FIGURES = {"query_series_24h_ms": "ms", "query_series_24h_closed_ms": "ms", "query_series_24h_first_ms": "ms", "query_series_24h_batches_ms": "ms"}


def measure(names):
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        done = subprocess.run([program("bench_series"), folder], capture_output=True, text=True)
    print(done.stdout, done.stderr, file=sys.stderr)
    values = {}
    for name in names:
        if found := re.search(rf"{name}\s+([0-9.eE+]+)", done.stdout):
            values[name] = float(found.group(1))
    return values
