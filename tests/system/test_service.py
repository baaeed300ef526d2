"""The agent under a service manager: what it says to it, and what happens when a thread stands still or when it is
started again and again, and that a reload leaves no gap. The manager is a socket of the test's own."""

import ctypes
import os
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from support import oracle  # noqa: F401  finds the decoder
import wire_decoder
from support.builds import program
from support.process import clean_environment
from support.status import status_of
from support.wait import free_port, wait_for

LONG = bool(os.environ.get("BL_LONG"))
ROOT = Path(__file__).resolve().parents[2]


class Manager:
    """Listens as systemd does."""

    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(self.path)
        self.heard = []

    def listen(self):
        while True:
            try:
                self.heard.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return self.heard

    def wait(self, text, count=1, timeout_s=20):
        wait_for(lambda: sum(text in word.splitlines() for word in self.listen()) >= count, timeout_s,
                 f"the manager hears {text!r} {count} times", lambda: str(self.heard))


class Service:
    """An agent that finds no broker, with a manager; probes are there, and reach nobody."""

    def __init__(self, folder, pki, processes, extra="", watchdog_s=None):
        cert = pki.device("dev-1")
        self.state_dir = folder / "state"
        self.config = folder / "agent.yaml"
        self.config.write_text(
            "device: {id: dev-1, site: shop, part: 3}\n"
            f"broker: {{host: 127.0.0.1, port: {free_port()}, ca: {pki.ca}, certificate: {cert.cert}, key: {cert.key}}}\n"
            "state_dir: state\ninterval: 1s\n"
            f"probes: [{{name: p, url: 'http://127.0.0.1:{free_port()}/', interval: 1s, timeout: 500ms}}]\n{extra}")
        self.manager = Manager(folder)
        self.processes = processes
        self.env = clean_environment(NOTIFY_SOCKET=self.manager.path)
        if watchdog_s is not None:
            self.env["WATCHDOG_USEC"] = str(watchdog_s * 1000000)

    def start(self, times=1):
        self.process = self.processes.start("agent", [program("branchline-agent"), "run", "--config", self.config],
                                            env=self.env)
        self.manager.wait("READY=1", times)
        return self

    def status(self):
        return status_of("--state", self.state_dir)

    def ticks(self):
        return self.status()["sampling"]["ticks"]


@pytest.fixture
def service(tmp_path, pki, processes):
    return lambda **more: Service(tmp_path, pki, processes, **more)


def test_the_manager_hears_each_change(service):
    one = service().start()
    one.manager.wait("STATUS=not connected, 0 batches wait")
    one.process.signal(signal.SIGHUP)
    one.manager.wait("READY=1", 2)
    good = one.config.read_text()
    one.config.write_text("nonsense")
    one.process.signal(signal.SIGHUP)
    one.manager.wait("READY=1", 3)  # refused: as ready as before
    one.config.write_text(good)
    assert one.process.stop() == 0
    heard = [word.splitlines()[0] for word in one.manager.listen() if not word.startswith("STATUS")]
    assert [word for word in heard if word != "WATCHDOG=1"] == [
        "READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    assert any("MONOTONIC_USEC=" in word for word in one.manager.heard if word.startswith("RELOADING"))


def freeze(tid):
    """Stops one thread alone, as a disk that never answers would; skips where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    attach, seize_detach = 16, 17
    if libc.ptrace(attach, tid, None, None) != 0:
        pytest.skip(f"a thread cannot be stopped here: {os.strerror(ctypes.get_errno())}")
    wall = 0x40000000
    os.waitpid(tid, wall)
    return lambda: libc.ptrace(seize_detach, tid, None, None)


def silent(manager, seconds):
    """No word of life for so long, however long it takes until that begins."""
    said, since = 0, time.monotonic()

    def so_long():
        nonlocal said, since
        now_said = manager.listen().count("WATCHDOG=1")
        if now_said != said:
            said, since = now_said, time.monotonic()
        return time.monotonic() - since >= seconds
    wait_for(so_long, 60, f"the manager hears nothing for {seconds} s", lambda: str(manager.heard))


@pytest.mark.parametrize("thread", ["spool", "probes"] if LONG else ["spool"])
def test_a_thread_that_stands_still_is_no_life(service, thread):
    # A word each second, and patience for two.
    one = service(watchdog_s=4).start()
    one.manager.wait("WATCHDOG=1", 2)
    tasks = Path(f"/proc/{one.process.pid}/task")
    tid, = [int(task.name) for task in tasks.iterdir() if (task / "comm").read_text().strip() == thread]
    thaw = freeze(tid)
    try:
        one.process.wait_log(f"the thread {thread} has not got on", 60)
        silent(one.manager, 2.5)
        before = one.manager.heard.count("WATCHDOG=1")
        assert one.process.running()
    finally:
        thaw()
    one.manager.wait("WATCHDOG=1", before + 1, 60)


def test_after_a_crash_loop_little_is_sampled_until_somebody_looks(service):
    one = service()
    for i in range(5):
        one.start(i + 1)
        assert one.status()["safe_mode"] == {"active": False, "ends_in_ms": None, "starts_counted": True}
        one.process.kill()
    one.start(6)
    status = one.status()
    assert status["safe_mode"]["active"] and 0 < status["safe_mode"]["ends_in_ms"] <= 30 * 60000
    assert status["sampling"]["probes"] == 0
    assert status["health"]["state"] == "degraded" and "safe mode" in status["health"]["reasons"][0]
    wait_for(lambda: one.ticks() >= 2, 20, "it samples", one.process.log)
    wait_for(lambda: "STATUS=SAFE MODE" in "".join(one.manager.listen()), 20, "the manager hears of it", one.process.log)

    one.process.signal(signal.SIGHUP)
    one.manager.wait("READY=1", 7)
    status = one.status()
    assert not status["safe_mode"]["active"] and status["sampling"]["probes"] == 1
    # All was tried, and it ends at once: safe mode again, without four more crashes.
    one.process.kill()
    one.start(8)
    assert one.status()["safe_mode"]["active"]
    # Ended in order: the next start is a whole one.
    assert one.process.stop() == 0
    one.start(9)
    assert not one.status()["safe_mode"]["active"]
    assert one.process.stop() == 0
    with closing(sqlite3.connect(one.state_dir / "spool.db")) as spool:
        assert spool.execute("pragma integrity_check").fetchone() == ("ok",)


def test_without_a_manager_nothing_is_counted(service):
    one = service()
    del one.env["NOTIFY_SOCKET"]
    for _ in range(6):
        one.process = one.processes.start("agent", [program("branchline-agent"), "run", "--config", one.config],
                                          env=one.env)
        one.process.wait_log("started device=", 20, count=1)
        one.process.kill()
        one.process.log_path.unlink()
    assert not (one.state_dir / "starts").exists()


def test_the_unit_is_shut_off():
    unit = ROOT / "provisioning/systemd/branchline-agent.service"
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=15", unit],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def synthetic(spool):
    """[(boot ms, n)] of the one synthetic series, as the closed spool's batches have it; n grows by one a tick."""
    with closing(sqlite3.connect(spool)) as db:
        series, = [entry for entry, definition in db.execute("SELECT id, def FROM dict") if b"synthetic" in definition]
        batches = [wire_decoder.decode(message) for message, in db.execute("SELECT msg FROM body ORDER BY id")]
    return sorted((t, int(v) // 1000) for batch in batches for column in batch["series"] if column["id"] == series
                  for t, v in zip(column["times"], column["values"]))


def test_twenty_reloads_leave_no_gap(service):
    one = service(extra="samplers:\n  synthetic: {enabled: true, series: 1}\n  disk: {io: yes}\n").start()
    text = one.config.read_text()
    for i in range(20):
        # Every other one changes what the disk sampler does; the others go on all the same.
        one.config.write_text(text.replace("io: yes", "io: no") if i % 2 == 0 else text)
        one.process.signal(signal.SIGHUP)
        one.manager.wait("READY=1", i + 2)
        if i % 10 == 9:
            before = one.ticks()
            wait_for(lambda: one.ticks() > before, 20, "it ticks", one.process.log)
    assert one.process.log().count("reloaded changed=yes") == 20
    ticks = one.status()["sampling"]
    assert one.process.stop() == 0
    found = synthetic(one.state_dir / "spool.db")
    # One sampler all the time, which gave one value a tick: begun anew, it would count from another number.
    assert len(found) >= ticks["ticks"] >= 2
    assert [n for _, n in found] == list(range(found[0][1], found[0][1] + len(found)))
    assert len({t for t, _ in found}) == len(found)
