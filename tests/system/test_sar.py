"""What the agent says of a machine, against what sysstat's collector reads of it (sadc, the program behind sar).

sadc writes one record whenever it is called; sadf prints its raw contents, with the kernel's own counts.  Between any two
records the agent's page is asked, so that the order is known: a record that was complete before a tick began, and one that
was begun after the page showed that tick.  What counts upwards lies between the two, exactly; nothing depends on how long
anything takes.  What goes up and down is held against the least and the largest of the records around the tick, with the
tolerances of GAUGES for what happens between them.
"""

import re
import shutil
import subprocess
import time

import pytest

from support.wait import wait_for
from test_local import Agent

SADC = "/usr/lib/sysstat/sadc"
TICKS = 3
JIFFIES = 3  # idle and iowait may go back by some
CLOCK_MS = 5  # the page counts back from the wall clock of now: the same tick, a millisecond apart
ITEMS = ("CPU", "IFACE", "DEV")
OURS = ("cpu_", "load", "memory_", "swap_", "net_", "disk_")
KIB = 1024
MODES = {"user": "%usr", "nice": "%nice", "system": "%sys", "iowait": "%iowait", "irq": "%irq", "softirq": "%soft",
         "steal": "%steal", "idle": "%idle"}
# Metric: sadf's kind of item and field, bytes (or pieces) each.
COUNTERS = {
    "net_received_bytes_total": ("IFACE", "rxkB/s", 1),
    "net_sent_bytes_total": ("IFACE", "txkB/s", 1),
    "net_received_packets_total": ("IFACE", "rxpck/s", 1),
    "net_sent_packets_total": ("IFACE", "txpck/s", 1),
    "net_receive_errors_total": ("IFACE", "rxerr/s", 1),
    "net_send_errors_total": ("IFACE", "txerr/s", 1),
    "disk_read_bytes_total": ("DEV", "rkB/s", 512),
    "disk_written_bytes_total": ("DEV", "wkB/s", 512),
    "swap_in_bytes_total": ("", "pswpin/s", 4096),
    "swap_out_bytes_total": ("", "pswpout/s", 4096),
    "memory_major_faults_total": ("", "majflt/s", 1),
}
# Metric: sadf's field, its unit, how far outside of the records around it.
GAUGES = {
    "memory_total_bytes": ("kbttlmem", KIB, 0),
    "memory_available_bytes": ("kbavail", KIB, 512 * KIB * KIB),
    "memory_cached_bytes": ("kbcached", KIB, 512 * KIB * KIB),
    "memory_buffers_bytes": ("kbbuffers", KIB, 64 * KIB * KIB),
    "swap_total_bytes": ("kbttlswp", KIB, 0),
    "load1": ("ldavg-1", 0.01, 0.011),
    "load5": ("ldavg-5", 0.01, 0.011),
    "load15": ("ldavg-15", 0.01, 0.011),
}
CONFIG = """samplers:
  cpu: {modes: yes}
  memory: {events_every: 1s}
"""


class Witness:
    """Records of sadc, one after the other in one file; number n is what values()[...][n] is of."""

    def __init__(self, folder):
        self.file = folder / "sa"
        self.ended_ms = []

    def record(self):
        subprocess.run([SADC, "-S", "XALL", "1", "1", self.file], check=True, timeout=60)
        self.ended_ms.append(time.time() * 1000)
        return len(self.ended_ms) - 1

    def values(self):
        """(kind of item, its name, field) -> a value a record; the first one of what has no growth is not shown: None."""
        done = subprocess.run(
            ["sadf", "-r", self.file, "--", "-u", "ALL", "-r", "-S", "-q", "-B", "-W", "-d", "-n", "DEV,EDEV"],
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True, timeout=60)
        found = {}
        for line in done.stdout.splitlines():
            fields_of(line, found)
        # What came or went meanwhile (an interface) has fewer of them, and nobody knows which.
        return {key: values for key, values in found.items() if len(values) == len(self.ended_ms)}


def fields_of(line, found):
    words = [word.strip() for word in line.split(";")][1:]
    kind = name = field = ""
    for i, word in enumerate(words):
        if i and words[i - 1] in ITEMS:
            kind, name = words[i - 1], word
        elif re.fullmatch(r"-?\d+", word):
            before, after = re.fullmatch(r"-?\d+", words[i - 1]), re.fullmatch(r"-?\d+", words[i + 1])
            if after and not before:
                found.setdefault((kind, name, field), [int(word)])  # the record before the first that is shown
            elif not after:
                found.setdefault((kind, name, field), [None]).append(int(word))
        else:
            field = word


class Tick:
    """What the agent's page showed of one tick, and the numbers of the records before and after it."""

    def __init__(self, at_ms, series, before):
        self.at_ms, self.before, self.after = at_ms, before, None
        self.value = {(s["name"], *s["labels"].values()): s["value"] for s in series}


def look(agent, witness, ticks):
    """One record, one look at the page; a tick that is seen for the first time is added once its records are there."""
    number = witness.record()
    for tick in ticks:
        tick.after = number if tick.after is None else tick.after
    series = [s for s in agent.now()["series"] if s["name"].startswith(OURS)]
    at_ms = max((s["unix_ms"] for s in series), default=0)
    before = [n for n, ended in enumerate(witness.ended_ms) if n and ended < at_ms - CLOCK_MS]
    series = [s for s in series if s["unix_ms"] == at_ms]
    if before and series and (not ticks or at_ms > ticks[-1].at_ms + CLOCK_MS):
        ticks.append(Tick(at_ms, series, before[-1]))
    return len(ticks) > TICKS and ticks[-1].after is not None


def check_counters(tick, values):
    checked = set()
    for (name, *labels), value in tick.value.items():
        if name not in COUNTERS or value is None:
            continue
        kind, field, unit = COUNTERS[name]
        seen = values.get((kind, labels[0] if labels else "", field))
        if seen is None:
            continue
        low, high = seen[tick.before] * unit, seen[tick.after] * unit
        assert low <= value <= high, f"{name} {labels}: {value}, sadc read {low} before and {high} after"
        checked.add(name)
    return checked


def check_gauges(tick, values):
    for name, (field, unit, tolerance) in GAUGES.items():
        around = [v * unit for v in values["", "", field][tick.before:tick.after + 1] if v is not None]
        value = tick.value[name,]
        assert min(around) - tolerance <= value <= max(around) + tolerance, f"{name}: {value}, sadc read {around}"


def check_modes(former, tick, values):
    """What a mode had between two ticks is at least what lies between the records within, and at most between those around."""
    least, most = {}, {}
    for mode, field in MODES.items():
        seen = values["CPU", "-1", field]
        least[mode] = max(0, seen[tick.before] - seen[former.after])
        most[mode] = seen[tick.after] - seen[former.before] + JIFFIES
    for mode in MODES:
        others_least, others_most = sum(least.values()) - least[mode], sum(most.values()) - most[mode]
        low = 100 * least[mode] / max(1, least[mode] + others_most)
        high = 100 * most[mode] / max(1, most[mode] + others_least)
        value = tick.value["cpu_mode_pct", mode]
        assert low - 0.1 <= value <= high + 0.1, f"{mode}: {value} %, by sadc {low} to {high} %"


@pytest.mark.skipif(not shutil.which("sadf"), reason="sysstat is not installed")
def test_values_are_those_that_sar_reads(tmp_path, pki, processes):
    agent, witness, ticks = Agent(tmp_path, pki, processes, extra=CONFIG).start(), Witness(tmp_path), []
    wait_for(lambda: look(agent, witness, ticks), 60, f"{TICKS} ticks after the first", agent.process.log)
    values, checked = witness.values(), set()
    for former, tick in zip(ticks, ticks[1:]):
        checked |= check_counters(tick, values)
        check_gauges(tick, values)
        check_modes(former, tick, values)
    always = {name for name, (kind, *_) in COUNTERS.items() if kind != "DEV"}
    assert always <= checked, f"not compared: {always - checked}"
