"""VictoriaMetrics beside us: started on loopback with a data folder of its own, fed with the mix as Influx lines
in arrival order, measured by what its process used.

Debian's package `victoria-metrics`; only the figures of tests/perf need it.
"""

import http.client
import os
import socket
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

PROGRAM = "/usr/bin/victoria-metrics"
POST_BYTES = 4 << 20
SETTLE_S = 240  # until everything lies in one part


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class VictoriaMetrics:
    """One server; use it as a context."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.port = free_port()

    def __enter__(self):
        self.process = subprocess.Popen(
            [PROGRAM, "-storageDataPath", self.folder, "-httpListenAddr", f"127.0.0.1:{self.port}",
             "-retentionPeriod", "100y", "-loggerLevel", "ERROR", "-search.disableCache"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.http = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.get("/health")
                return self
            except OSError:
                self.http.close()
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    raise RuntimeError("victoria-metrics does not start")
                time.sleep(0.05)

    def __exit__(self, *_):
        self.http.close()
        self.process.terminate()
        self.process.wait(60)

    def cpu_s(self):
        """User and system time of the server, all threads, until now."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def get(self, path, **params):
        if params:
            path += "?" + urllib.parse.urlencode(params)
        self.http.request("GET", path)
        answer = self.http.getresponse()
        body = answer.read()
        if answer.status not in (200, 204):
            raise RuntimeError(f"victoria-metrics: {path}: {answer.status} {body[:200]}")
        return body

    def post(self, lines):
        self.http.request("POST", "/write?precision=ms", lines)
        answer = self.http.getresponse()
        body = answer.read()
        if answer.status != 204:
            raise RuntimeError(f"victoria-metrics: /write: {answer.status} {body[:200]}")

    def feed(self, stream):
        """Posts of about 4 MB, whole lines each; returns how many bytes of text there were."""
        rest, n = b"", 0
        while chunk := stream.read(POST_BYTES):
            chunk = rest + chunk
            end = chunk.rfind(b"\n") + 1
            body, rest = chunk[:end], chunk[end:]
            self.post(body)
            n += len(body)
        return n

    def figures(self):
        """Its own metrics, summed over their labels."""
        sums = {}
        for line in self.get("/metrics").decode().splitlines():
            name, _, value = line.rpartition(" ")
            if name.startswith(("vm_active_merges{", "vm_parts{", "vm_rows{", "vm_pending_rows{")):
                kind = "index" if 'type="indexdb"' in name else "data"
                key = (name.split("{")[0], kind)
                sums[key] = sums.get(key, 0) + float(value)
        return sums

    def flush(self):
        """What was posted can be asked for."""
        self.get("/internal/force_flush")

    def settle(self):
        """Everything in one part a month: merges are asked for again where one was under way."""
        self.flush()
        deadline = time.monotonic() + SETTLE_S
        while True:
            now = self.figures()
            if now[("vm_active_merges", "data")] == 0:
                if now[("vm_parts", "data")] <= 1:
                    return
                self.get("/internal/force_merge")
            if time.monotonic() > deadline:
                raise RuntimeError(f"victoria-metrics: not merged after {SETTLE_S} s: {now}")
            time.sleep(0.25)

    def rows(self):
        return self.figures()[("vm_rows", "data")]

    def bytes(self):
        """Of data and index; without the caches, which only a stop writes."""
        return sum(f.stat().st_size for part in ("data", "indexdb") for f in (self.folder / part).rglob("*")
                   if f.is_file())


def say(text):
    print(f"perf: {text}", file=sys.stderr, flush=True)
