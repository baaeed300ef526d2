"""Evaluations of a condition over six names, release build, one core."""

import re
import subprocess
import sys

from support.builds import program

FIGURES = {"expr_million_evals_per_s": "M/s"}


def measure(names):
    done = subprocess.run([program("bench_expr")], capture_output=True, text=True)
    print(done.stdout, done.stderr, file=sys.stderr)
    found = re.search(r"^expr_million_evals_per_s\s+([0-9.eE+]+)", done.stdout, re.MULTILINE)
    return {"expr_million_evals_per_s": float(found.group(1))} if found else {}
