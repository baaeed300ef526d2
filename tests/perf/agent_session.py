"""One agent against a real broker and collector, watched from outside for some minutes.

Gives what it puts on the wire, and how long samples are under way. A third client, with a certificate
of its own, sees every message as the broker hands it on. What the agent costs: agent_cost.py.
"""

import http.server
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from support.org import Organisation
from support.process import Processes
from support.wait import wait_for
import wire_decoder

FIGURES = {
    "agent_wire_bytes_per_sample": "B/sample",
    "sample_to_receipt_p99_ms": "ms",
    "cut_to_receipt_p99_ms": "ms",
}

SERIES = 200
SETTLE_S = int(os.environ.get("BL_PERF_SETTLE_S", "70"))
WINDOW_S = int(os.environ.get("BL_PERF_WINDOW_S", "240"))
PROFILE = Path(__file__).with_name("agent-200.yaml")


def say(text):
    print(f"perf: {text}", file=sys.stderr, flush=True)


class Target(http.server.BaseHTTPRequestHandler):
    """What the probes ask: a small page, connections kept."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *args):
        pass


class Watch:
    """Every batch and receipt with the boot time at which the broker delivered it."""

    def __init__(self, org: Organisation):
        state = org.folder
        key, cert = state / "broker" / "watch.key", state / "broker" / "watch.pem"
        self._certificate(state, key, cert)
        with open(state / "broker" / "acl", "a", encoding="ascii") as acl:
            acl.write("\nuser perf-watch\ntopic read bl/#\n")
        self.batches, self.receipts = [], []
        self.command = [
            "mosquitto_sub", "-h", "127.0.0.1", "-p", str(org.broker_port), "--insecure",
            "--cafile", str(state / "ca" / "ca.pem"), "--cert", str(cert), "--key", str(key),
            "-V", "mqttv5", "-q", "1", "-t", "bl/1/up/#", "-t", "bl/1/down/#", "-F", "%x"]

    @staticmethod
    def _certificate(state, key, cert):
        request = subprocess.run(
            ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-keyout", key, "-subj", "/CN=perf-watch"],
            capture_output=True, check=True).stdout
        subprocess.run(
            ["openssl", "x509", "-req", "-CA", state / "ca" / "ca.pem", "-CAkey",
             state / "ca" / "ca.key", "-days", "2", "-out", cert],
            input=request, capture_output=True, check=True)

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            now = time.clock_gettime(time.CLOCK_BOOTTIME) * 1000
            try:
                message = bytes.fromhex(line.strip())
                if message[3] in (3, 12, 13):
                    self._keep(now, len(message), wire_decoder.decode(message))
                elif message[3] == 6:
                    self.receipts.append((now, wire_decoder.decode(message)))
            except (ValueError, IndexError, wire_decoder.Corrupt) as error:
                say(f"watch: a message does not decode: {error}")

    def _keep(self, now, n_bytes, message):
        """A batch, or those of a bundle or pack, which share its bytes: the first one has them all."""
        for i, batch in enumerate(message.get("batches", [message])):
            self.batches.append((now, 0 if i else n_bytes, batch))

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def p99(values):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


def latencies(watch):
    """Per sample and per batch: ms from being taken (or cut) to the receipt that settles it."""
    sample_ms, cut_ms = [], []
    for _, _, batch in watch.batches:
        stream = str(batch["stream"])
        settled = next((at for at, r in watch.receipts if r["spool"] == batch["spool"]
                        and settles(r, stream, batch["seq"])), None)
        if settled is None:
            continue  # the window ended first
        cut_ms.append(settled - batch["collect"][1])
        for column in batch["series"]:
            sample_ms += [settled - t for t in column["times"]]
    return sample_ms, cut_ms


def settles(receipt, stream, seq):
    return seq <= receipt["streams"][stream]["contiguous"]


def profile(port, synthetic):
    text = PROFILE.read_text()
    return (text.replace("@ENABLED@", "true" if synthetic else "false")
            .replace("@SYNTHETIC@", str(max(1, synthetic))).replace("@PORT@", str(port)))


def count_series(org, agent, port):
    """How many series this machine gives without synthetic ones."""
    base = agent.config.read_text()
    agent.config.write_text(base + "\n" + profile(port, 0))
    agent.start()
    def seen():
        return len(org.api("GET", f"/devices/{agent.device}/series")["items"])
    wait_for(lambda: seen() > 0, 120, "the first series arrive", agent.process.log)
    n = wait_for_steady(seen)
    agent.stop()
    agent.config.write_text(base)
    return n


def wait_for_steady(value, rounds=25):
    """The value once it has not changed for `rounds` looks, one a second."""
    last, same = value(), 0
    while same < rounds:
        time.sleep(1)
        now = value()
        same = same + 1 if now == last else 0
        last = now
    return last


def measure(names):
    target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=target.serve_forever, daemon=True).start()
    port = target.server_address[1]
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        processes = Processes(Path(folder))
        try:
            return session(Organisation(Path(folder), processes), port)
        finally:
            processes.end_all()
            target.shutdown()


def session(org, port):
    watch = Watch(org)
    org.start()
    org.tool("site", "add", "Perf")
    agent = org.add_agent("perf", "one")
    say("counting this machine's own series")
    own = count_series(org, agent, port)
    synthetic = max(0, SERIES - own)
    say(f"{own} series of this machine and {synthetic} synthetic ones; settling {SETTLE_S} s")
    agent.config.write_text(agent.config.read_text() + "\n" + profile(port, synthetic))
    agent.start()
    time.sleep(SETTLE_S)
    watch.start()
    say(f"measuring for {WINDOW_S} s")
    time.sleep(WINDOW_S)
    watch.stop()
    agent.stop()
    samples = sum(b["counts"][0] for _, _, b in watch.batches)
    sample_ms, cut_ms = latencies(watch)
    return {
        "agent_wire_bytes_per_sample": sum(n for _, n, _ in watch.batches) / samples,
        "sample_to_receipt_p99_ms": p99(sample_ms),
        "cut_to_receipt_p99_ms": p99(cut_ms),
    }
