"""Whether ingest and queries cost more with 1 G samples stored than with 10 M: bench_growth."""

import os
import re
import subprocess
import sys
import tempfile

from support.builds import program

FIGURES = {"ingest_growth_ratio": "ratio", "query_growth_ratio": "ratio"}
# 278 agents x 100 series x 360 samples: 10 M an hour.
AGENTS = os.environ.get("BL_PERF_GROWTH_AGENTS", "278")
HOURS = os.environ.get("BL_PERF_GROWTH_HOURS", "100")


def measure(_):
    with tempfile.TemporaryDirectory(prefix="bl-perf-", dir=os.environ.get("BL_PERF_DIR")) as folder:
        done = subprocess.run([program("bench_growth"), folder, AGENTS, HOURS],
                              stdout=subprocess.PIPE, text=True)
    print(done.stdout, file=sys.stderr)
    if done.returncode != 0:
        return {}
    return {name: float(value) for name, value in re.findall(r"^(\w+_growth_ratio) ([0-9.]+) ", done.stdout, re.M)}
