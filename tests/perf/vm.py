"""Ours beside VictoriaMetrics in one run on the same samples: CPU from the wire into a durable store, and bytes.

Ours is the straight path (`bench_store`): batches of a minute, ingest with synchronous=FULL, and the compactor until
everything is in parts. Theirs takes the same samples as Influx lines in arrival order, 4 MB a post; its CPU time is
the server's alone, up to a flush after the last post, without the merge that is asked for before its files are
measured. Ours runs before and after theirs, and the mean of both counts: other work on the machine is then in both.

Through the broker: theirs is fed as fast as it takes, so ours is, too. The simulator's agents (TLS, Mosquitto) come
with some hours each in batches of a minute, beside which credit is set too high to limit anything: the whole
collector's CPU time from the first connection to the last receipt, over the samples that it took meanwhile. No hour is
packed in that time (`compact.after`), what that costs a sample is added from the straight path.
"""

import os
import re
import subprocess
import sys
import tempfile

import fleets
from support.builds import program
from vm_server import VictoriaMetrics, say

SEED = 1
BEGIN_UNIX_MS = 1790002800000  # a whole hour, in the past
TIMES = os.environ.get("BL_PERF_VM_TIMES", "regular")  # or jitter: the same samples, 0 to 20 ms late
# (agents, hours) of a data set; the names of its figures.
SETS = {
    "": (int(os.environ.get("BL_PERF_VM_AGENTS", "1000")), 1),
    "24h_": (100, int(os.environ.get("BL_PERF_VM_HOURS", "24"))),
}
BROKER = "ingest_broker_ratio_vm"
BROKER_AGENTS = int(os.environ.get("BL_PERF_BROKER_AGENTS", "1000"))
BROKER_HOURS = os.environ.get("BL_PERF_BROKER_HOURS", "2")
# Credit for all beyond what any machine takes, and nothing is packed meanwhile.
BROKER_SETTINGS = "ingest: { credit: 1GiB }\ncompact: { after: 7d }\n"
FIGURES = {BROKER: "ratio"}
for prefix in SETS:
    FIGURES |= {f"ingest_{prefix}ratio_vm": "ratio", f"store_{prefix}ratio_vm": "ratio",
                f"store_{prefix}bytes_per_sample": "B", f"store_{prefix}rollup_bytes_per_sample": "B"}


def lines(agents, hours):
    return subprocess.Popen(
        [program("mix_lines"), str(SEED), str(agents), str(hours * 360), str(BEGIN_UNIX_MS), TIMES],
        stdout=subprocess.PIPE)


def ours(folder, agents, hours):
    """What bench_store prints, by name."""
    done = subprocess.run(
        [program("bench_store"), folder, str(SEED), str(agents), str(hours), str(BEGIN_UNIX_MS), TIMES],
        capture_output=True, text=True)
    if done.returncode != 0:
        say(f"bench_store failed:\n{done.stderr[-2000:]}")
        return None
    print(done.stdout, file=sys.stderr, flush=True)
    found = {name: float(value) for name, value in re.findall(r"^(\w+) ([0-9.eE+-]+) ", done.stdout, re.M)}
    found["bytes"] = found["store_raw_bytes"] + found["store_database_bytes"]
    found["rollup_bytes"] = found["bytes"] + found["store_5min_bytes"] + found["store_1h_bytes"]
    found["rate"] = found["store_samples"] / found["store_cpu_s"]
    return found


def theirs(folder, agents, hours):
    samples = agents * hours * 36000
    with VictoriaMetrics(folder) as server:
        before = server.cpu_s()
        source = lines(agents, hours)
        text = server.feed(source.stdout)
        if source.wait() != 0:
            raise RuntimeError("mix_lines failed")
        server.flush()
        fed = server.cpu_s()
        server.settle()
        merged = server.cpu_s()
        if server.rows() != samples:
            raise RuntimeError(f"victoria-metrics has {server.rows():.0f} of {samples} samples")
        found = {"rate": samples / (fed - before), "bytes": server.bytes() / samples}
        say(f"VictoriaMetrics: {found['rate']:,.0f} samples/CPU s ({samples / (merged - before):,.0f} with the merge), "
            f"{found['bytes']:.3f} B/sample, {text / samples:.1f} B of text")
        return found


def compare(prefix, agents, hours):
    say(f"{agents} agents x 100 series x {hours} h, {TIMES} times, beside VictoriaMetrics")
    runs = []
    for which in ("ours", "theirs", "ours"):
        with tempfile.TemporaryDirectory(prefix="bl-perf-", dir=os.environ.get("BL_PERF_DIR")) as folder:
            one = (ours if which == "ours" else theirs)(folder, agents, hours)
        if one is None:
            return None
        runs.append(one)
    first, vm, last = runs
    rate = 2 / (1 / first["rate"] + 1 / last["rate"])
    say(f"ours: {first['rate']:,.0f} and {last['rate']:,.0f} samples/CPU s, compaction included")
    values = {f"ingest_{prefix}ratio_vm": rate / vm["rate"],
              f"store_{prefix}ratio_vm": last["bytes"] / vm["bytes"],
              f"store_{prefix}bytes_per_sample": last["bytes"],
              f"store_{prefix}rollup_bytes_per_sample": last["rollup_bytes"]}
    return values, vm["rate"], (first["store_pack_ns"] + last["store_pack_ns"]) / 2e9


def through_broker():
    """CPU seconds of the collector a sample, or None."""
    got = fleets.session(BROKER_AGENTS, 900, "--measure", "0", "--backlog", BROKER_HOURS, "--past-cut", "60",
                         "--variants", fleets.VARIANTS, "--connects", "1000", settings=BROKER_SETTINGS, pours=True)
    if got is None:
        return None
    pour = got[1]
    took, collector_s = pour.took, pour.cpu[0]
    say(f"through the broker: {took['samples']:,.0f} samples in {took['batches']:,.0f} batches within {pour.wall_s:.0f} s,"
        f" {took['samples'] / pour.wall_s:,.0f} samples/s and {took['batches'] / took['commits']:.1f} batches a commit;"
        f" the collector used {collector_s / pour.wall_s:.2f} cores, {collector_s / took['batches'] * 1e6:.1f} us a batch,"
        f" the broker {pour.cpu[1] / pour.wall_s:.2f}; {os.getloadavg()[0]:.1f} load")
    return collector_s / took["samples"]


def broker_ratio(their_rate, pack_s):
    if (collector_s := through_broker()) is None:
        return {}
    say(f"{collector_s * 1e9:.1f} ns of the collector's CPU a sample, and {pack_s * 1e9:.1f} ns of packing")
    return {BROKER: 1 / (collector_s + pack_s) / their_rate}


def measure(names):
    values = {}
    for prefix, (agents, hours) in SETS.items():
        mine = {name for name in FIGURES if name != BROKER and ("24h_" in name) == (prefix == "24h_")}
        with_broker = prefix == "" and BROKER in names
        if not mine.intersection(names) and not with_broker:
            continue
        if (got := compare(prefix, agents, hours)) is None:
            continue
        values |= got[0]
        if with_broker:
            values |= broker_ratio(*got[1:])
    return values
