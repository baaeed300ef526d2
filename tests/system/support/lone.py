"""An agent without a centre, judged by its spool: what it accepted is in that file."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from .builds import program
from .status import status_of
from .steps import Reporter
from .wait import free_port

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "contract"))
import wire_decoder  # noqa: E402


class LoneAgent:
    """Takes lines over both sockets."""

    def __init__(self, folder, processes, inlets=""):
        folder.mkdir()
        self.folder, self.processes = folder, processes
        self.config, self.state_dir = folder / "agent.yaml", folder / "state"
        self.socket, self.datagrams = self.state_dir / "steps.sock", self.state_dir / "lines.sock"
        self.config.write_text(
            f"device: {{id: dev-1, site: shop, part: 3}}\nbroker: {{host: 127.0.0.1, port: {free_port()}}}\n"
            "state_dir: state\ninterval: 1s\nspool: {memory: 2MiB}\n"
            "inlets:\n  steps:\n    datagram_socket: state/lines.sock\n" + inlets)
        self.starts = 0

    def start(self):
        self.starts += 1
        self.process = self.processes.start(
            f"agent-{self.folder.name}", [program("branchline-agent"), "run", "--config", self.config])
        self.process.wait_log("steps are taken", 30, self.starts)
        return self

    def command(self, name, *args):
        return subprocess.run([program("branchline-agent"), name, "--socket", self.socket, *args],
                              capture_output=True, text=True, timeout=60)

    def status(self):
        return status_of("--state", self.state_dir)

    def ask(self, line):
        with Reporter(self.socket) as reporter:
            return reporter.ask(line)

    def accepted(self):
        """(events, values) in the spool: what each batch has, values with name and labels. Ends the agent
        and starts it once more, since a start cuts what an earlier run left open."""
        if self.process.running():
            self.process.stop()
        self.start()
        self.process.stop()
        events, values = [], []
        with sqlite3.connect(f"file:{self.state_dir / 'spool.db'}?mode=ro", uri=True) as spool:
            names = {i: series(blob) for i, blob in spool.execute("SELECT id, def FROM dict")}
            for (message,) in spool.execute("SELECT msg FROM body ORDER BY id"):
                batch = wire_decoder.decode(message)
                events += [e for e in batch["events"] if not e["type"].startswith(("agent.", "clock.", "config."))]
                for column in batch["series"]:
                    name, labels = names[column["id"]]
                    if "source" in labels:
                        values += [(name, labels, *point) for point in zip(column["times"], column["values"])]
        return events, values


def series(blob):
    """Name and labels of a row of the spool's dictionary (spool_row.c)."""
    r = wire_decoder.Reader(blob)
    r.u8(), r.u8(), r.varint()
    name, _ = r.text(1, 64), r.text(0, 64)
    return name, {r.text(1, 64): r.text(0, 128) for _ in range(r.varint())}


class Datagrams:
    """A program that says its lines by datagram, from an address of its own."""

    def __init__(self, path):
        self.path = Path(path)
        self.folder = tempfile.mkdtemp(prefix="bl-")  # answers come to an address as it was bound: a short one
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(f"{self.folder}/sock")

    def say(self, line):
        # A socket address is short, and the folders of tests are not.
        folder = os.open(self.path.parent, os.O_PATH)
        try:
            self.sock.sendto(line if isinstance(line, bytes) else line.encode(),
                             f"/proc/self/fd/{folder}/{self.path.name}")
        finally:
            os.close(folder)

    def hear(self, timeout=30):
        self.sock.settimeout(timeout)
        return self.sock.recv(4096).decode().rstrip("\n")

    def ask(self, line, timeout=30):
        self.say(line)
        return self.hear(timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
        shutil.rmtree(self.folder)
