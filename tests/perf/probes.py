"""What one HTTPS probe costs: the prober's thread, against an OpenSSL server in another process."""

import os
import re
import subprocess
import sys
import tempfile

from support.builds import SOURCE, program

FIGURES = {"https_probe_cpu_ms": "ms", "https_probe_whole_cpu_ms": "ms"}
MODES = {"https_probe_cpu_ms": "resumed", "https_probe_whole_cpu_ms": "whole"}


def run(folder, port, mode):
    done = subprocess.run([program("bench_probe"), f"https://localhost:{port}/ok", f"{folder}/trusted.pem", mode,
                           os.environ.get("BL_PERF_PROBE_RUNS", "40")], capture_output=True, text=True)
    print(done.stdout, done.stderr, file=sys.stderr)
    found = re.search(r"_cpu_ms ([0-9.]+)", done.stdout)
    return float(found.group(1)) if found else None


def measure(names):
    data = SOURCE / "tests" / "data" / "probe"
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        subprocess.run([data / "make_certificates.sh", folder], check=True)
        with subprocess.Popen(["/usr/bin/python3", data / "tls_server.py", f"{folder}/good.pem", f"{folder}/good.key"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            port = server.stdout.readline().split()[1]
            values = {name: run(folder, port, MODES[name]) for name in names}
            server.stdin.close()
    return {name: value for name, value in values.items() if value is not None}
