"""Questions about a fleet, asked of the collector's API: CPU time in the collector, warm."""

import re
import subprocess
import sys
import tempfile

from support.builds import program

FIGURES = {name: "ms" for name in (
    "query_fleet_avg_24h_ms", "query_fleet_p95_24h_ms", "query_fleet_5min_24h_ms", "query_fleet_rate_5min_24h_ms",
    "query_fleet_latency_p95_24h_ms", "query_fleet_now_24h_ms", "query_last_1000_ms")}


def measure(names):
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        done = subprocess.run([program("bench_query"), folder], capture_output=True, text=True)
    print(done.stdout, done.stderr, file=sys.stderr)
    values = {}
    for name in names:
        if found := re.search(rf"^{name}\s+([0-9.eE+]+)", done.stdout, re.M):
            values[name] = float(found.group(1))
    return values
