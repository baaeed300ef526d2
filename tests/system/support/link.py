"""link_probe, led by a test: single handshakes as `diagnose` makes them, and a connection with MQTT."""

import json
import os
import queue
import subprocess
import threading
import time

import pytest

from .builds import program
from .process import clean_environment
from .wait import PATIENCE

# The deadline of each phase where a test does not say another one: the machine may stand still for some seconds. What
# is found at once has not waited for it.
PHASE = "phase_ms=20000"
QUICK_MS = 15000


class Probe:
    """link_probe in mqtt mode: commands in, events out."""

    def __init__(self, pki, cert, port, *options, host="localhost", prefix=(), env=None):
        argv = [*prefix, program("link_probe"), "mqtt", host, port, pki.ca, cert.cert, cert.key,
                f"id={cert.name}", PHASE, *options]
        self.popen = subprocess.Popen(
            [str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=env or clean_environment())
        self.seen = []
        self._events = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.popen.stdout:
            self._events.put(json.loads(line))
        self._events.put(None)

    def send(self, command: str):
        self.popen.stdin.write(command + "\n")
        self.popen.stdin.flush()

    def event(self, kind: str, timeout_s: float = 10.0) -> dict:
        """The next event of that kind; others before it are kept in `seen`."""
        deadline = time.monotonic() + timeout_s * PATIENCE
        while True:
            try:
                event = self._events.get(timeout=max(0.001, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"no {kind!r} within {timeout_s * PATIENCE:g} s; seen: {self.seen}")
            if event is None:
                pytest.fail(f"ended before {kind!r}: {self.popen.stderr.read()}; {self.seen}")
            self.seen.append(event)
            if event["event"] == kind:
                return event

    def drain(self):
        """Moves what has come to `seen`."""
        while not self._events.empty():
            event = self._events.get()
            if event is not None:
                self.seen.append(event)

    def stats(self) -> dict:
        self.send("stats")
        return self.event("stats")

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.popen.pid}/fd"))

    def quit(self) -> int:
        """Ends it in good order; also what makes the sanitizers speak."""
        self.send("quit")
        self.event("freed", 15)
        code = self.popen.wait(15 * PATIENCE)
        assert code == 0, self.popen.stderr.read()
        return code

    def end(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait(10 * PATIENCE)


def shake(pki, cert, port, *options, host="localhost", ca=None, prefix=(), env=None):
    """Runs handshakes as `diagnose` does; returns (reports, milliseconds each)."""
    argv = [*prefix, program("link_probe"), "tls", host, port, ca or pki.ca, cert.cert, cert.key,
            PHASE, *options]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=60,
                          env=env or clean_environment())
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert "ERROR" not in done.stderr, done.stderr
    assert events, done.stderr
    return ([e for e in events if e["event"] != "took"],
            [e["ms"] for e in events if e["event"] == "took"])


def shake_once(*arguments, **options):
    reports, took = shake(*arguments, **options)
    assert len(reports) == 1
    return reports[0], (took or [0])[0]
