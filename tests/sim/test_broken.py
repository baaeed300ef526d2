"""Promises broken on purpose (BL_BROKEN): the oracle catches each within the seeds given here, and the whole
program passes on the same ones. A receipt before the commit, and dedupe without the checksum, are caught by
test_ingest_fault (caught_...): what a device sends comes in one message here, and its receipt is due after the commit of that."""

import re
import subprocess

import pytest

from test_delivery import check, command

# variant, scenario, agents, days, seeds
BROKEN = (
    ("sync_off", "agent-killed", 3, 1, (1,)),
    ("dedupe_by_time", "outages", 3, 1, (1,)),
    ("delete_on_puback", "broker-forgets", 3, 1, (1,)),
)


def run(tmp_path, name, scenario, agents, days, seed):
    c = command(tmp_path, f"{seed}-{seed}", agents, scenario, name) + ["--days", str(days)]
    return subprocess.run(c, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("variant, scenario, agents, days, seeds", BROKEN, ids=[b[0] for b in BROKEN])
def test_a_broken_promise_is_caught(tmp_path, variant, scenario, agents, days, seeds):
    caught = []
    for seed in seeds:
        whole = run(tmp_path, "sim_delivery", scenario, agents, days, seed)
        check(whole.returncode, whole.stdout, scenario)
        broken = run(tmp_path, f"sim_broken_{variant}", scenario, agents, days, seed)
        if broken.returncode != 0 and re.search(r" FAIL (lost|doubled): ", broken.stdout):
            caught.append(seed)
    assert caught, f"{variant} passes as if it were whole"
