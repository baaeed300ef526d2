"""Every decoder under libFuzzer for some seconds (tests/fuzz/run): no finding, and each target really ran."""

import os
import pathlib
import re
import subprocess

RUN = pathlib.Path(__file__).resolve().parent / "run"
LINE = re.compile(r"^(\w+) +(\d+) executions +\d+/s +covered +(\d+) -> +(\d+) +(\w+)$", re.M)

SECONDS = 45 if os.environ.get("BL_LONG") == "1" else 10
# Floors for a machine that is busy: the slowest target, and all of them together.
EACH_A_SECOND, ALL_A_SECOND = 10, 5000


def test_no_decoder_has_a_finding():
    done = subprocess.run([RUN, "--seconds", str(SECONDS)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=3 * 3600)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-4000:]
    targets = {name: (int(executions), int(covered), word)
               for name, executions, _, covered, word in LINE.findall(done.stdout)}
    assert len(targets) > 20, done.stdout
    for name, (executions, covered, word) in targets.items():
        assert word == "ok" and executions >= EACH_A_SECOND * SECONDS and covered > 20, f"{name} did not run in earnest:\n{done.stdout}"
    assert sum(executions for executions, _, _ in targets.values()) >= ALL_A_SECOND * SECONDS, done.stdout
