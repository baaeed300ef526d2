"""What the collector does when its disk is full, read-only, out of descriptors, or has changed bits of
its store: it never ends, says so, needs no restart, and in the end every sample is there once.

The state folder is a small tmpfs, which only root can mount; it is unmounted whatever happens. A disk
that has become read-only is played by strace, which lets each write fail with EROFS.
"""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import sqlite3
import subprocess

import pytest

from support.builds import program
from support.oracle import Spool, Store, arrive_in_full, check_values, load
from support.org import ApiError, Organisation
from support.process import Processes
from support.wait import wait_for

LONG = os.environ.get("BL_LONG") == "1"
HOLD_S = 60 if LONG else 3  # how long each trouble lasts


def why_not_root():
    if os.geteuid() != 0:
        return "only root can mount a tmpfs"
    for tool in ("mount", "umount", "strace", "prlimit"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    return None


@contextlib.contextmanager
def small_disk(folder, size):
    """Moves what is in folder onto a tmpfs of that size."""
    aside = folder.with_name(folder.name + "-before")
    folder.rename(aside)
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder],
                          capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
    try:
        for entry in aside.iterdir():
            shutil.copy2(entry, folder)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True, timeout=20)


@pytest.fixture(scope="module")
def centre(tmp_path_factory):
    """An organisation on a small disk with one agent that samples every second."""
    reason = why_not_root()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("centre")
    processes = Processes(folder)
    org = Organisation(folder, processes)
    with small_disk(org.folder / "collector", "64m"):
        try:
            org.start()
            org.tool("site", "add", "North")
            agent = org.add_agent("north", "till")
            agent.base = agent.config.read_text() + "\n"
            org.agent = agent
            yield org
        finally:
            processes.end_all()


def readyz(org):
    """(status, text); None while nobody answers."""
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.sock.settimeout(10)
        connection.sock.connect(str(org.folder / "collector" / "admin.sock"))
        connection.request("GET", "/readyz?verbose")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def is_ready(org, within_s=30):
    return wait_for(lambda: readyz(org)[0] == 200, within_s, "the collector is ready",
                    lambda: readyz(org)[1] + org.collector.log())


def not_ready(org, word):
    return wait_for(lambda: readyz(org)[0] == 503 and word in readyz(org)[1], 60, f"not ready: {word}",
                    lambda: readyz(org)[1] + org.collector.log())


def sampling(org):
    """The agent under load; what it has is cut and offered at its next start."""
    agent = org.agent
    if agent.process is not None and agent.process.running():
        agent.stop()
    agent.config.write_text(agent.base + load(20))
    agent.start()
    grow(agent, 40)
    return agent


def grow(agent, by):
    spool = Spool(agent)
    before = spool.accepted()
    wait_for(lambda: spool.accepted() >= before + by, 60, "samples are accepted", agent.process.log)


def cut(agent):
    """A start of the agent cuts what is open, so that there is something to store."""
    agent.stop()
    agent.start()


def everything_arrives_once(org):
    agent = org.agent
    arrive_in_full(org, agent, agent.base)
    assert check_values(Store(org), agent.device) > 0
    assert org.api("GET", "/gaps")["unexplained"] == 0


def fill(path):
    """Takes all the room there is; returns how much that was."""
    n = 0
    with open(path, "ab", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                n += file.write(b"\0" * 65536)
        with contextlib.suppress(OSError):
            while True:
                n += file.write(b"\0" * 512)
    return n


def status_of_store(org):
    return org.api("GET", "/status")["store"]


def metric(org, name):
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect(str(org.folder / "collector" / "admin.sock"))
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    return float(next(line for line in text.splitlines() if line.startswith(name + " ")).split()[1])


def test_a_full_disk_stops_receipts_and_nothing_else(centre):
    org, disk = centre, centre.folder / "collector"
    agent = sampling(org)
    assert (disk / "ballast").stat().st_size == 4 << 20  # a 16th of 64 MiB
    before = len(org.collector.log())
    fill(disk / "filler")
    cut(agent)
    not_ready(org, "is full")
    wait_for(lambda: not (disk / "ballast").exists(), 10, "the ballast is given up", org.collector.log)
    # The ballast is people's: they can still change things.
    org.api("POST", "/sites", {"name": "South", "zone": "Europe/Berlin"})
    store = status_of_store(org)
    assert not store["ok"] and store["disk_full"] and "full" in store["why"]
    assert metric(org, "branchline_disk_full") == 1
    assert metric(org, "branchline_ingest_commit_failures_total") > 0
    # And when that is gone, too, they are told.
    fill(disk / "filler")
    with pytest.raises(ApiError) as refused:
        for n in range(2000):
            org.api("POST", "/sites", {"name": f"West {n}", "zone": "Europe/Berlin"})
            fill(disk / "filler")
    assert refused.value.status == 507 and refused.value.body["code"] == "no_room"
    grow(agent, 20 * HOLD_S)
    assert org.collector.running()
    assert len(org.collector.log()) - before < 20_000, org.collector.log()
    (disk / "filler").unlink()
    is_ready(org, 10)
    assert (disk / "ballast").stat().st_size == 4 << 20
    org.api("POST", "/sites", {"name": "East", "zone": "Europe/Berlin"})
    assert metric(org, "branchline_disk_full") == 0
    everything_arrives_once(org)


def test_a_disk_that_was_read_only_for_a_while_needs_no_restart(centre):
    org = centre
    agent = sampling(org)
    tracer = org.processes.start("strace", [
        "strace", "-f", "-qq", "-o", "/dev/null", "-P", org.folder / "collector" / "telemetry.db-wal",
        "-P", org.folder / "collector" / "telemetry.db", "-e", "inject=pwrite64,ftruncate:error=EROFS",
        "-p", str(org.collector.pid)])
    try:
        wait_for(lambda: f"TracerPid:\t{tracer.pid}" in
                 open(f"/proc/{org.collector.pid}/status", encoding="ascii").read(), 20, "strace is there", tracer.log)
        cut(agent)
        not_ready(org, "store-commit failed")
        grow(agent, 20 * HOLD_S)
        assert org.collector.running()
    finally:
        tracer.signal(signal.SIGINT)
        tracer.wait(20)
    is_ready(org, 15)
    wait_for(lambda: metric(org, "branchline_ingest_store_reopened_total") > 0, 10, "it was opened again", org.collector.log)
    everything_arrives_once(org)


def test_without_descriptors_data_come_in_and_new_connections_wait(centre):
    org = centre
    agent = sampling(org)
    pid = org.collector.pid

    def limit(n):
        subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={n}:"], check=True, timeout=20)
    old = int(subprocess.run(["prlimit", "--pid", str(pid), "--nofile", "--noheadings", "-o", "SOFT"],
                             capture_output=True, text=True, check=True, timeout=20).stdout)
    held = []
    stored = org.api("GET", "/status")["batches"]
    limit(max(int(n) for n in os.listdir(f"/proc/{pid}/fd")) + 4)
    try:
        for _ in range(30):
            held.append(socket.create_connection(("127.0.0.1", org.board_port), timeout=5))
        cut(agent)
        store = Store(org)
        wait_for(lambda: store.samples() > 0 and batches(org) > stored, 60, "batches come in without descriptors",
                 org.collector.log)
        grow(agent, 20 * HOLD_S)
    finally:
        for one in held:
            one.close()
        limit(old)
    is_ready(org, 40)
    everything_arrives_once(org)


def batches(org):
    with contextlib.closing(sqlite3.connect(
            f"file:{org.folder}/collector/telemetry.db?mode=ro", uri=True, timeout=10)) as db:
        return db.execute("SELECT batches FROM total").fetchone()[0]


def new_epoch(org):
    """None: the store cannot be read just now."""
    try:
        return org.api("GET", "/status")["epoch"]
    except ApiError as error:
        assert error.status == 503 and error.body["code"] in ("unavailable", "busy")
        return None


def test_a_store_damaged_under_it_is_replaced_and_filled_again(centre):
    org, path = centre, centre.folder / "collector" / "telemetry.db"
    agent = sampling(org)
    cut(agent)
    epoch = org.api("GET", "/status")["epoch"]
    wait_for(lambda: Spool(agent).waiting() == 0, 60, "all is receipted", org.collector.log)
    size = path.stat().st_size
    with open(path, "r+b") as file:  # the second half of the file: batches, indexes
        file.seek(size // 2 // 8192 * 8192)
        file.write(b"\xa5" * (size - file.tell()))
    cut(agent)
    wait_for(lambda: new_epoch(org) not in (None, epoch), 120, "a new store begins",
             lambda: agent.process.log() + org.collector.log())
    wait_for(lambda: (lambda d: d and not d["salvaging"])(status_of_store(org)["damaged"]), 60,
             "salvage is through", org.collector.log)
    damaged = status_of_store(org)["damaged"]
    assert damaged["file"].startswith("telemetry.db.damaged-")
    assert (org.folder / "collector" / damaged["file"]).stat().st_size == size
    assert damaged["file"] in org.collector.log()
    is_ready(org)
    everything_arrives_once(org)


def test_a_damaged_control_database_is_refused_with_words(centre):
    org, path = centre, centre.folder / "collector" / "control.db"
    org.collector.stop()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096 * 2] + b"\xa5" * 4096 + whole[4096 * 3:])
    done = subprocess.run([program("branchline-collector"), "run", "--config", org.folder / "collector" / "collector.yaml"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 78
    assert "control.db is damaged" in done.stderr and "put a backup in its place" in done.stderr
    path.write_bytes(whole)
    org.start_collector()
    everything_arrives_once(org)
