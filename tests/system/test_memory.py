"""The agent's ceiling of memory: in force, changed by a reload, and what becomes of an agent that stands at it.

Builds with sanitizers set none, since their own memory would count; ctest of the other builds runs this file.
"""

import os
import re
import signal
import subprocess

import pytest

from support.builds import build_folder
from support.wait import wait_for
from test_agent import Device, centre  # noqa: F401

MIB = 1024 * 1024
STREAMS = (2, 3)  # probes, host
SANITIZED = re.search(r"^BL_SANITIZE\S*=.*(address|thread)", (build_folder() / "CMakeCache.txt").read_text(), re.M)
pytestmark = pytest.mark.skipif(bool(SANITIZED), reason="a build with sanitizers: it sets no ceiling of memory")

PROBE = "  - {name: p%d, url: 'https://127.0.0.1:%d/', interval: 1s, timeout: 900ms}\n"
MANY = "samplers:\n  synthetic: {enabled: yes, series: 1000}\n  processes: {states: yes, every: 1s}\nprobes:\n"


def ceiling(device):
    """The soft limit in bytes, or "unlimited"."""
    with open(f"/proc/{device.process.pid}/limits", encoding="ascii") as limits:
        value = re.search(r"^Max data size\s+(\S+)", limits.read(), re.M)[1]
    return value if value == "unlimited" else int(value)


def writable(device):
    with open(f"/proc/{device.process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"^VmData:\s+(\d+) kB", status.read(), re.M)[1]) * 1024


def set_from_outside(device, limit):
    subprocess.run(["prlimit", f"--pid={device.process.pid}", f"--data={limit}:"], check=True)


def codes(device):
    return [p["code"] for p in device.state()["health"]["problems"]]


def numbers(log, stream):
    return {int(seq) for seq in re.findall(rf"^batch stream={stream} seq=(\d+)", log, re.M)}


def whole(got, beyond):
    return got == set(range(1, max(got) + 1)) and max(got) > beyond


def reload(device, text):
    before = device.process.log().count("reloaded changed=yes")
    device.config.write_text(text)
    device.process.signal(signal.SIGHUP)
    device.process.wait_log("reloaded changed=yes", count=before + 1)


def test_the_ceiling_is_in_force_and_a_reload_changes_it(tmp_path, pki, broker, processes, centre):  # noqa: F811
    device = Device(tmp_path / "agent", pki, broker.port, processes).start()
    text = device.config.read_text()
    device.wait_health("healthy")
    assert ceiling(device) == 64 * MIB == device.state()["memory"]["ceiling_bytes"]
    assert writable(device) < 12 * MIB  # with the stacks of all threads
    reload(device, text + "max_memory: 12MiB\n")
    assert ceiling(device) == 12 * MIB
    device.config.write_text(text + "max_memory: 11MiB\n")
    device.process.signal(signal.SIGHUP)
    device.process.wait_log("reload refused, the running configuration stays")
    assert "0 for no ceiling, or 12MiB and more" in device.process.log() and ceiling(device) == 12 * MIB
    reload(device, text + "max_memory: 0\n")
    assert ceiling(device) == "unlimited"


@pytest.mark.skipif(not os.environ.get("BL_LONG"), reason="70 s, most of it until the next batch is cut; with BL_LONG=1")
def test_an_agent_at_its_ceiling_lives_says_so_and_loses_nothing_that_it_accepted(
        tmp_path, pki, broker, processes, centre):  # noqa: F811
    extra = MANY + "".join(PROBE % (i, broker.port) for i in range(40))
    device = Device(tmp_path / "agent", pki, broker.port, processes, extra=extra).start()
    wait_for(lambda: device.state().get("uplink", {}).get("receipted", 0) > 0 and  # no answer yet: from its files
             device.state()["sampling"]["series"] > 1300, 60, "it delivers", device.process.log)

    set_from_outside(device, 1 * MIB)  # nothing more, not even what it gives back
    device.process.wait_log("samples or events are left out", 60)
    broker.stop()
    device.process.wait_log("connection lost", 60)
    broker.start()
    assert device.process.running()

    set_from_outside(device, writable(device) + MIB)  # room to answer
    wait_for(lambda: "memory_short" in codes(device), 60, "it says that samples were left out", device.process.log)
    memory = device.state()["memory"]
    assert memory["high"] and memory["relieved"] > 0 and memory["left_out"] > 0
    assert "no memory" in device.status().stdout

    set_from_outside(device, 64 * MIB)
    wait_for(lambda: device.state()["uplink"]["state"] == "ready" and not device.state()["memory"]["high"], 180,
             "it is connected again, and has room", device.process.log)
    state = device.state()
    assert device.process.running() and state["sampling"]["refused_samples"] > 0
    gaps = wait_for(lambda: device.state()["gaps"], 60, "the ledger has it", device.process.log)
    assert {g["reason"] for g in gaps} == {"overload"}
    # What was accepted has a number: none is missing, and later ones arrive.
    before = {stream: max(numbers(centre.log(), stream)) for stream in STREAMS}
    for stream in STREAMS:
        wait_for(lambda got=stream: whole(numbers(centre.log(), got), before[got]), 180,
                 f"all of stream {stream} arrive", lambda: centre.log() + device.process.log())
