"""Steps and values reported to one agent without a link: what a reporting program waits for."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from support.builds import program
from support.process import Processes
from support.wait import wait_for

FIGURES = {
    "step_p99_ms": "ms",
    "step_events_per_s": "events/s",
    "step_command_p99_ms": "ms",
    "metric_line_p99_ms": "ms",
    "metric_lines_per_s": "values/s",
}

CALLS = 3000
COMMANDS = 300
CLIENTS = 8
PIPELINE = 16
FLOOD_S = 5

CONFIG = """device: {id: perf, site: perf, part: 0}
broker: {host: 127.0.0.1, port: 1, ca: none.pem, certificate: none.pem, key: none.pem}
state_dir: state
interval: 10s
"""


def p(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def connect(path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(str(path))
    sock.settimeout(20)
    return sock


def a_step(n, k=None):
    if k is None:
        return f"step event {n} review process=order id=call-{n} amount={n}.5 owner=\"Li Hua\"\n"
    return f"step event {k}-{n} pick process=order amount={n}.5\n"


def a_value(n, k=None):
    """One in ten of the last minutes."""
    name = f"metric queue_length {n}.5 unit=orders lane={n % 50}"
    return f"{name} id=value-{n}\n" if k is None else name + (f" at={time.time() - 60:.3f}\n" if n % 10 == 0 else "\n")


def calls(path, of):
    """One after the other on one connection, each with an id of its own."""
    took = []
    with connect(path) as sock:
        for n in range(CALLS):
            line = of(n).encode()
            began = time.perf_counter()
            sock.sendall(line)
            answer = sock.recv(4096)
            took.append((time.perf_counter() - began) * 1000)
            assert answer == b"ok\n", answer
    return took


def flood(path, of):
    """Several clients, each with PIPELINE lines under way."""
    counts = []
    until = time.monotonic() + FLOOD_S

    def one(k):
        n = 0
        with connect(path) as sock, sock.makefile("rb") as answers:
            while time.monotonic() < until:
                sock.sendall("".join(of(n + i, k) for i in range(PIPELINE)).encode())
                for _ in range(PIPELINE):
                    assert answers.readline() == b"ok\n"
                n += PIPELINE
        counts.append(n)

    threads = [threading.Thread(target=one, args=(k,)) for k in range(CLIENTS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == CLIENTS, "a client failed"
    return sum(counts) / (time.monotonic() - began)


def commands(config):
    """`branchline-agent step` as a script calls it: start of the process to its end."""
    took = []
    for n in range(COMMANDS):
        argv = [program("branchline-agent"), "step", "event", "--config", str(config), "--case", str(n),
                "--process", "order", "amount=129.5", "owner=Li Hua"]
        began = time.perf_counter()
        assert subprocess.run(argv).returncode == 0
        took.append((time.perf_counter() - began) * 1000)
    return took


def fsync_ms(folder):
    """What the disk itself takes, to read the other figures by."""
    took = []
    with open(Path(folder) / "sync", "wb") as file:
        for _ in range(200):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return took


def measure(names):
    values = {}
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        config = Path(folder) / "agent.yaml"
        config.write_text(CONFIG)
        path = Path(folder) / "state" / "steps.sock"
        processes = Processes(Path(folder))
        disk = fsync_ms(folder)
        print(f"perf: fdatasync of 4 KiB here: median {p(disk, 0.5):.2f} ms, p99 {p(disk, 0.99):.2f} ms",
              file=sys.stderr)
        try:
            agent = processes.start("agent", [program("branchline-agent"), "run", "--config", config])
            wait_for(path.exists, 20, "the step socket is there", agent.log)
            for name, of in (("step_p99_ms", a_step), ("metric_line_p99_ms", a_value)):
                if name in names:
                    took = calls(path, of)
                    print(f"perf: {name}: median {p(took, 0.5):.2f} ms", file=sys.stderr)
                    values[name] = p(took, 0.99)
            if "step_command_p99_ms" in names:
                took = commands(config)
                print(f"perf: a command: median {p(took, 0.5):.2f} ms", file=sys.stderr)
                values["step_command_p99_ms"] = p(took, 0.99)
            for name, of in (("step_events_per_s", a_step), ("metric_lines_per_s", a_value)):
                if name in names:
                    values[name] = flood(path, of)
        finally:
            processes.end_all()
    return values
