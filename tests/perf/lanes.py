"""What the figures of offline devices share: spools made in advance, a witness on the broker, a judge.

The witness is a third client of the broker that writes down every live batch and every receipt with the time
at which the broker handed it on; they are read when all is over, so that it costs next to nothing meanwhile.
"""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from agent_session import settles
from support.builds import program
import wire_decoder

QUIET = """
samplers:
  cpu: { enabled: false }
  memory: { enabled: false }
  disk: { enabled: false }
  network: { enabled: false }
  pressure: { enabled: false }
  tcp: { enabled: false }
  time: { enabled: false }
  sensors: { enabled: false }
  kernel: { enabled: false }
  uptime: { enabled: false }
  self: { enabled: false }
"""
# As many samples as 200 series every 10 s; ticks every second, so that a collection interval ends at most
# that long before its cut.
LOAD = "interval: 1s" + QUIET + "  synthetic: { enabled: true, series: 20 }\n"


def say(text):
    print(f"perf: {text}", file=sys.stderr, flush=True)


def quantile(values, q):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * q))]


class Backlog:
    """What an agent brings from its time without a link: see fill_spool.c."""

    def __init__(self, agent, hours, series, seed):
        folder = agent.folder / "state"
        folder.mkdir(mode=0o700, exist_ok=True)
        done = subprocess.run(
            [program("fill_spool"), folder / "spool.db", agent.device, str(hours), str(series), str(seed)],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"perf: fill_spool: {done.stderr}")
        words = done.stdout.split()
        told = dict(zip(words[::2], words[1::2]))
        self.device, self.spool, self.boot = agent.device, bytes.fromhex(told["spool"]), bytes.fromhex(told["boot"])
        self.samples, self.events = int(told["samples"]), int(told["events"])
        self.batches, self.bytes = int(told["batches"]), int(told["bytes"])


class Judge:
    """The collector's store, read only."""

    def __init__(self, org):
        self.path = org.folder / "collector" / "telemetry.db"
        self.db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=30)

    def arrived(self):
        """boot -> (values, bytes) of what is stored, by the boot in which it was collected."""
        return {boot: (values, size) for boot, values, size in self.db.execute(
            "SELECT o.uuid, sum(b.n_samples + b.n_events), sum(length(b.body)) FROM batch b"
            " JOIN boot o ON o.id = b.boot_id GROUP BY b.boot_id")}

    def missing(self, backlogs):
        """Of all backlogs: values that are not stored (negative: too many)."""
        there = self.arrived()
        return sum(b.samples + b.events - there.get(b.boot, (0, 0))[0] for b in backlogs)

    def account(self, backlogs):
        """(lost, doubled): by count, and every batch's interval begins where the one before it ended."""
        lost = doubled = 0
        there = self.arrived()
        for b in backlogs:
            more = there.get(b.boot, (0, 0))[0] - b.samples - b.events
            lost, doubled = lost + max(0, -more), doubled + max(0, more)
            ends = {}
            for stream, begin, end, values in self.db.execute(
                    "SELECT b.stream, b.collect_begin_ms, b.collect_end_ms, b.n_samples + b.n_events FROM batch b"
                    " JOIN boot o ON o.id = b.boot_id WHERE o.uuid = ? ORDER BY b.stream, b.seq", (b.boot,)):
                last = ends.setdefault(stream, begin)
                lost += begin > last
                doubled += begin < last and values > 0
                ends[stream] = end
        return lost, doubled


class Witness:
    """Live batches and receipts, as the broker hands them on."""

    def __init__(self, org, devices=("+",)):
        state = org.folder
        key, cert = state / "broker" / "witness.key", state / "broker" / "witness.pem"
        request = subprocess.run(
            ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", key, "-subj", "/CN=perf-witness"], capture_output=True, check=True).stdout
        subprocess.run(
            ["openssl", "x509", "-req", "-CA", state / "ca" / "ca.pem", "-CAkey", state / "ca" / "ca.key",
             "-days", "2", "-out", cert], input=request, capture_output=True, check=True)
        with open(state / "broker" / "acl", "a", encoding="ascii") as acl:
            acl.write("\nuser perf-witness\ntopic read bl/#\n")
        topics = []
        for device in devices:
            topics += ["-t", f"bl/1/up/+/{device}/live", "-t", f"bl/1/down/{device}/receipt"]
        self.command = [
            "mosquitto_sub", "-h", "127.0.0.1", "-p", str(org.broker_port), "--insecure",
            "--cafile", str(state / "ca" / "ca.pem"), "--cert", str(cert), "--key", str(key),
            "-V", "mqttv5", "-q", "1", *topics, "-F", "%U %x"]
        self.path = Path(org.folder) / "witness.log"

    def start(self):
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen(self.command, stdout=out)
        return self

    def stop(self):
        """Lag in s of every live batch: from the end of its collection interval, which its cut follows
        within a second, to the receipt that settles it."""
        self.process.terminate()
        self.process.wait(10)
        boot_s = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        waiting, lags = {}, []
        with open(self.path, encoding="ascii") as lines:
            for line in lines:
                at, _, text = line.partition(" ")
                message = bytes.fromhex(text)
                if message[3] in (3, 12, 13):  # alone, or several in a message
                    came = wire_decoder.decode(message)
                    for batch in came.get("batches", [came]):
                        waiting.setdefault(batch["spool"], {}).setdefault(
                            (batch["stream"], batch["seq"]), batch["collect"][1] / 1000 + boot_s)
                elif message[3] == 6:
                    receipt = wire_decoder.decode(message)
                    mine = waiting.get(receipt["spool"], {})
                    for stream, seq in [k for k in mine if settles(receipt, str(k[0]), k[1])
                                        or beyond(receipt, str(k[0]), k[1])]:
                        lags.append(float(at) - mine.pop((stream, seq)))
        return lags, sum(len(left) for left in waiting.values())


def beyond(receipt, stream, seq):
    return any(first <= seq <= last for first, last in receipt["streams"][stream]["beyond"])


def rss_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
