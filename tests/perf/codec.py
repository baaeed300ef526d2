"""Bytes a sample on the wire, of the mix: bench_codec. Nothing but the codec is in it, so every machine gives the same."""

import re
import subprocess
import sys

from support.builds import program

FIGURES = {"wire_60s_bytes_per_sample": "bytes", "wire_1h_bytes_per_sample": "bytes"}


def measure(names):
    done = subprocess.run([program("bench_codec")], capture_output=True, text=True)
    print(done.stdout, done.stderr, file=sys.stderr)
    found = {shape: float(value) for shape, value in re.findall(r"^codec_(\w+)_wire ([0-9.eE+]+) ", done.stdout, re.M)}
    return {f"wire_{shape}_bytes_per_sample": value for shape, value in found.items()}
