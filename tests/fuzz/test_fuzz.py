"""Every decoder under libFuzzer for some seconds (tests/fuzz/run): no finding, and each target really ran."""

import pathlib
import re
import subprocess

RUN = pathlib.Path(__file__).resolve().parent / "run"
LINE = re.compile(r"^(\w+) +(\d+) executions +\d+/s +covered +(\d+) -> +(\d+) +(\w+)$", re.M)


def test_no_decoder_has_a_finding():
    done = subprocess.run([RUN], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=3 * 3600)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-4000:]
    targets = {name: (int(executions), int(covered), word)
               for name, executions, _, covered, word in LINE.findall(done.stdout)}
    assert len(targets) > 20, done.stdout
    for name, (executions, covered, word) in targets.items():
        assert word == "ok" and executions > 100 and covered > 20, f"{name} did not run in earnest:\n{done.stdout}"
