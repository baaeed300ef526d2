"""One history of 20 sites and two days, delivered live and then torn: the same cells, runs, cases and
incident intervals, byte for byte.  Two histories: one with Berlin's day of 25 hours, one with its day of 23.
"""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LONG = os.environ.get("BL_LONG") == "1"
# Each seed is another tearing of the same history.
SEEDS = "1-200" if LONG else "1-10"
STARTS = {"a day of 25 hours": 1792800000, "a day of 23 hours": 1774656000}


def tool():
    path = pathlib.Path(os.environ.get("BL_SIM_BUILD") or ROOT / "build" / "sim") / "tests" / "sim_late"
    assert path.is_file(), f"{path} is not built: run tests/run --only sim"
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Both histories at once: there are two cores."""
    started = {}
    for name, start in STARTS.items():
        folder = tmp_path_factory.mktemp("sim")
        started[name] = (subprocess.Popen(
            [tool(), "--seeds", SEEDS, "--start", str(start), "--folder",
             "/dev/shm" if os.access("/dev/shm", os.W_OK) else str(folder)],
            stdout=open(folder / "out", "w"), stderr=open(folder / "err", "w")), folder)
    yield started
    for process, _ in started.values():
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", STARTS)
def test_late_equals_live(runs, name):
    process, folder = runs[name]
    code = process.wait(timeout=7200)
    out, err = (folder / "out").read_text(), (folder / "err").read_text()
    assert code == 0, out + err[-4000:]
    figures = dict(re.findall(r"^(\w+) ([0-9.]+) ", out, re.M))
    first, last = (int(n) for n in SEEDS.split("-"))
    assert int(figures["rules_late_equals_live_seeds"]) == last - first + 1
    # The history shows something: thousands of cells, hundreds of incidents of each kind of rule.
    assert int(figures["late_live_cells"]) > 20000 and int(figures["late_live_incidents"]) > 200
