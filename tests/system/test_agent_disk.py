"""The agent on a disk that is full, read-only, failing, damaged or set back: it never exits, says what is
wrong and what happens next, and in the end every sample is in the centre's store once or in the ledger.

Real programs throughout: agents, a Mosquitto, a collector. By default a fault lasts as long as it takes to
see what it does; with BL_LONG=1 a minute.
"""

import hashlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import struct
import subprocess
from collections import Counter
from contextlib import closing

import pytest

from support.builds import program
from support.disk import BadDisk, SmallDisk, lasts
from support.oracle import Spool, Store, _rows, account_of_samples, arrive_in_full, load, receipted
from support.org import Organisation
from support.process import Processes
from support.status import asked_at_its_socket, runs, samples_on
from support.wait import wait_for

LONG = bool(os.environ.get("BL_LONG"))
FAULT_S = 60 if LONG else 2
SERIES = 500
DISK_FULL, DAMAGED = 3, 4
LEAF = 0x0d  # a page of a table's rows


@pytest.fixture(scope="module")
def centre(tmp_path_factory):
    """One organisation for all tests of this file; each has a device of its own."""
    folder = tmp_path_factory.mktemp("disk")
    processes = Processes(folder)
    org = Organisation(folder, processes).start()
    org.tool("site", "add", "Disk")
    yield org
    processes.end_all()


class Branch:
    """An agent with a load, and what is judged of it."""

    def __init__(self, org, name, settings=""):
        self.org = org
        self.agent = org.add_agent("disk", name)
        self.base = self.agent.config.read_text() + "\n" + settings + "\n"
        self.agent.config.write_text(self.base + load(SERIES))
        self.state = self.agent.folder / "state"
        self.store = Store(org)

    def start(self, env=None):
        self.agent.start(env=env)
        wait_for(self.answers, 20, "the agent runs", self.log)
        self.wait_samples(SERIES)
        return self

    def answers(self) -> bool:
        assert self.agent.process.running(), self.log()
        return runs("--config", self.agent.config)

    def log(self):
        return self.agent.process.log()

    def status(self):
        return self.agent.status()

    def words(self) -> str:
        return subprocess.run([program("branchline-agent"), "status", "--config", self.agent.config],
                              capture_output=True, text=True, timeout=30).stdout

    def wait_samples(self, more: int, timeout_s=20):
        """So many more samples are committed."""
        before = self.status()["spool"].get("accepted_samples", 0)
        wait_for(lambda: self.status()["spool"].get("accepted_samples", 0) >= before + more, timeout_s,
                 f"{more} more samples are accepted", self.log)

    def wait_disk(self, state, timeout_s=30):
        wait_for(lambda: self.status()["spool"]["disk"] == state, timeout_s, f"the disk is {state}",
                 lambda: self.words() + self.log())

    def says(self, *texts):
        words = self.words()
        for text in texts:
            assert text in words, words

    def back_within_two_ticks(self):
        """Counted in the agent's own ticks, for this machine may be slow; one more may pass while we ask."""
        before = asked_at_its_socket(self.state)["sampling"]["ticks"]
        status = wait_for(lambda: (lambda s: s["spool"]["committing"] and s)(asked_at_its_socket(self.state)), 20,
                          "commits work again", self.log)
        assert status["sampling"]["ticks"] - before <= 3, (before, status["sampling"])

    # ---- the judge ----

    def missing_ticks(self):
        """Ticks of the synthetic load that are not in the store, each (boot ms of the one before, of the one
        after); every series must miss the same ones, and none may have come twice."""
        wanted = None
        for series, got in self.store.synthetic(self.agent.device).items():
            numbers = [(int(value) // 1000, at) for _, at, value in got]
            twice = [n for n, times in Counter(n for n, _ in numbers).items() if times > 1]
            assert not twice, f"series {series}: n = {twice[:5]} came twice"
            numbers.sort()
            holes = [(n, following, at, later) for (n, at), (following, later) in zip(numbers, numbers[1:])
                     if following != n + 1]
            assert wanted is None or holes == wanted, f"series {series} misses others than those before"
            wanted = holes
        assert wanted is not None, "nothing arrived"
        return wanted

    def gaps(self, *reasons):
        """(begin_ms, end_ms, samples) of the host stream's entries of time."""
        return _rows(self.store.path, "SELECT g.begin_ms, g.end_ms, g.samples FROM gap g JOIN device d ON d.id ="
                     f" g.device_id WHERE d.name = ? AND g.stream = 3 AND g.reason IN ({','.join(map(str, reasons))})",
                     self.agent.device)

    def all_arrived(self):
        arrive_in_full(self.org, self.agent, self.base)
        account = account_of_samples(self.store, self.agent)
        print(account.line())
        assert account.lost == 0 and account.doubled == 0, account.line()
        return account

    def explained_exactly(self):
        """What the full ring dropped: each missing tick lies in an entry, and all its samples are counted."""
        self.all_arrived()
        # Entries travel in batches of their own, which may come after the last sample.
        wait_for(lambda: self.store.explained(self.agent.device, 3, (DISK_FULL,)) == self.ledger_samples(), 90,
                 "the ledger has arrived", self.log)
        account = account_of_samples(self.store, self.agent)
        own = _rows(self.store.path, "SELECT count(DISTINCT s.id) FROM dict d JOIN series s ON s.id = d.series_id"
                    " JOIN spool p ON p.id = d.spool_id WHERE hex(p.uuid) = upper(?) AND s.name != 'synthetic'"
                    " AND s.stream = 3", Spool(self.agent).id())[0][0]
        entries, ticks = self.gaps(DISK_FULL), 0
        for n, following, at, later in self.missing_ticks():
            if any(at < begin and end < later for begin, end, _ in entries):
                ticks += following - n - 1
        assert ticks > 0, entries
        assert sum(samples for _, _, samples in entries) == ticks * (SERIES + own), (entries, ticks, own)
        assert account.explained == ticks * (SERIES + own), account.line()

    def ledger_samples(self) -> int:
        """Samples that the agent's own ledger says the full disk cost."""
        return _rows(self.agent.spool(), "SELECT coalesce(sum(samples), 0) FROM ledger WHERE stream = 3 AND reason = ?",
                     DISK_FULL)[0][0]

    def nothing_unexplained(self):
        wait_for(lambda: self.org.api("GET", f"/gaps?device={self.agent.device}")["unexplained"] == 0, 60,
                 "no gap is unexplained", lambda: str(self.org.api("GET", f"/gaps?device={self.agent.device}")))


def room_for(pid: int, spare: int) -> int:
    """The RLIMIT_NOFILE under which so many descriptors can still be opened."""
    taken, limit = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}, 0
    while spare >= 0:
        spare -= limit not in taken
        limit += 1
    return limit - 1


def overwrite(path, page: int) -> int:
    """How many rows the page of a table held: one inside of its tree holds none, nor does one that only the log has yet."""
    with open(path, "r+b") as file:
        file.seek(16)
        header = file.read(2)
        size = struct.unpack(">H", header)[0] if header else 0
        if size == 0 or os.fstat(file.fileno()).st_size < page * size:
            return 0
        file.seek((page - 1) * size)
        kind, _, cells = struct.unpack(">BHH", file.read(5))
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)
    return cells if kind == LEAF else 0


def lines_about_disk(log: str) -> int:
    return sum(1 for line in log.splitlines() if " spool: " in line)


# ---- full ----

def test_a_full_disk_costs_what_memory_cannot_hold_and_that_is_named(centre):
    branch = Branch(centre, "full", "spool: { max_bytes: 2MiB, memory: 16KiB }")
    disk = SmallDisk(branch.state)
    try:
        branch.start()
        ballast = branch.state / "spool.db.ballast"
        wait_for(ballast.exists, 10, "the reserve is made", branch.log)
        before = lines_about_disk(branch.log())
        disk.fill()
        branch.wait_disk("full", 60)
        branch.says("DEGRADED", "the disk is full", "samples wait in memory", "make room in", "at every tick")
        assert not ballast.exists()
        # The ring is full, too: from here on ticks are dropped.
        wait_for(lambda: "had no room in memory" in branch.log(), 60, "memory is full", branch.log)
        branch.says("oldest host samples are dropped and named in the ledger")
        lasts(FAULT_S, lambda: branch.agent.process.running(), "it exits on a full disk")
        disk.make_room()
        branch.back_within_two_ticks()
        assert lines_about_disk(branch.log()) - before <= 12 + FAULT_S // 20, branch.log()
        wait_for(lambda: branch.status()["spool"]["problem"] is None, 20, "nothing is wrong any more")
        branch.explained_exactly()
        wait_for(ballast.exists, 60, "the reserve is made again", branch.log)
        wait_for(lambda: not branch.status()["spool"]["reserve_gone"], 10, "nobody is told of it any more", branch.words)
        assert "reserve" not in branch.words()
    finally:
        branch.agent.kill()
        disk.close()


def test_whoever_looks_is_told_while_the_reserve_lasts(centre):
    branch = Branch(centre, "reserve")
    disk = SmallDisk(branch.state)
    try:
        branch.start()
        wait_for((branch.state / "spool.db.ballast").exists, 10, "the reserve is made", branch.log)
        assert not any("reserve" in reason for reason in branch.status()["health"]["reasons"])
        disk.fill_once()
        in_use = wait_for(lambda: (lambda s: s["spool"]["reserve_gone"] and s["spool"]["committing"] and s)(branch.status()),
                          60, "the reserve is in use", lambda: branch.words() + branch.log())
        told = [reason for reason in in_use["health"]["reasons"] if "the reserve" in reason]
        assert in_use["health"]["state"] == "degraded" and len(told) == 1, in_use["health"]
        assert f"make room in {branch.state}" in told[0], told
    finally:
        branch.agent.kill()
        disk.close()


# ---- out of inodes, out of descriptors ----

def test_no_inode_and_no_descriptor_stop_neither_sampling_nor_delivery(centre):
    branch = Branch(centre, "inodes", "spool: { max_bytes: 2MiB }")
    disk = SmallDisk(branch.state, "16m", inodes=64)
    try:
        branch.start()
        assert disk.take_inodes() > 10
        branch.wait_samples(3 * SERIES)
        assert branch.status()["spool"]["disk"] == "ok"
        pid = branch.agent.process.pid
        text = branch.agent.config.read_text()
        hash_before = branch.status()["config_hash"]
        for spare in (0, 1, 2):
            soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (room_for(pid, spare), hard))
            branch.agent.config.write_text(text.replace("interval: 1s", "interval: 2s"))
            before = branch.log().count("reload")
            branch.agent.process.signal(signal.SIGHUP)
            wait_for(lambda: branch.log().count("reload") > before, 20, "the reload is answered", branch.log)
            branch.wait_samples(2 * SERIES)
            status = branch.status()
            refused = status["config_hash"] == hash_before
            # All of it or nothing of it, and the log says which.
            assert status["sampling"]["interval_ms"] == (1000 if refused else 2000)
            assert ("reload refused" if refused else "reloaded") in branch.log()
            assert not refused or spare < 2, branch.log()
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
            branch.agent.config.write_text(text)
            before = branch.log().count("reloaded changed")
            branch.agent.process.signal(signal.SIGHUP)
            wait_for(lambda: branch.log().count("reloaded changed") > before, 20, "it reloads again", branch.log)
            assert branch.status()["config_hash"] == hash_before
        disk.free_inodes()
        branch.all_arrived()
        assert branch.gaps(DISK_FULL) == []
    finally:
        branch.agent.kill()
        disk.close()


# ---- read-only ----

def test_a_read_only_disk_loses_nothing_while_memory_holds(centre, tmp_path):
    branch = Branch(centre, "read only", "spool: { max_bytes: 2MiB, memory: 16KiB }")
    bad = BadDisk(tmp_path / "control", branch.state)
    branch.start(env=bad.env())
    before = lines_about_disk(branch.log())
    bad.read_only()
    branch.wait_disk("read_only")
    branch.says("DEGRADED", "the disk is read-only", "samples wait in memory", "make it writable again")
    wait_for(lambda: asked_at_its_socket(branch.state)["spool"]["memory_bytes"] > 16 * 1024 // 3, 60, "memory fills",
             branch.log)
    assert "had no room in memory" not in branch.log()
    bad.good()
    branch.back_within_two_ticks()
    branch.wait_samples(2 * SERIES)
    # Again, until memory is full: then exactly what did not fit is missing.
    bad.read_only()
    wait_for(lambda: "had no room in memory" in branch.log(), 120, "memory is full", branch.log)
    lasts(FAULT_S, lambda: branch.agent.process.running(), "it exits on a read-only disk")
    bad.good()
    branch.back_within_two_ticks()
    assert lines_about_disk(branch.log()) - before <= 16 + FAULT_S // 10, branch.log()
    branch.explained_exactly()
    # The first one cost nothing: all that is missing is of the second.
    assert len(branch.gaps(DISK_FULL)) == 1
    branch.agent.kill()
    bad.close()


# ---- failing syncs ----

def test_failing_syncs_lose_nothing_and_double_nothing(centre, tmp_path):
    branch = Branch(centre, "syncs")
    bad = BadDisk(tmp_path / "control", branch.state)
    branch.start(env=bad.env())
    steps = 200 if LONG else 15
    rng = random.Random(7)
    for k in range(1, steps + 1):
        # The next, the second or the third sync from here on fails; a step is answered when it is on disk.
        bad.set(at=bad.get("syncs") + rng.randrange(1, 4))
        branch.agent.step("event", "--case", f"c{k}", "--process", "order", "--id", f"e{k}")
    assert bad.get("failed") >= steps // 2
    bad.good()
    branch.wait_samples(SERIES)
    account = branch.all_arrived()
    assert account.explained == 0
    told = Counter(event["id"] for event in branch.store.events(branch.agent.device) if event["id"])
    assert told == Counter(f"e{k}" for k in range(1, steps + 1)), "each once, and no other"
    branch.agent.kill()
    bad.close()


# ---- damaged while it runs ----

def test_a_page_overwritten_under_a_live_agent_is_replaced_and_salvaged(centre):
    branch = Branch(centre, "damaged").start()
    spool = Spool(branch.agent)
    branch.wait_samples(5 * SERIES)
    old = spool.id()
    # The page with the counters, which every commit reads.
    page = _rows(spool.path, "SELECT rootpage FROM sqlite_schema WHERE name = 'open'")[0][0]
    ticks = branch.status()["sampling"]["ticks"]
    held = overwrite(spool.path, page)
    # And out of its cache and its log: another process works the log off and empties it.
    with closing(sqlite3.connect(spool.path, timeout=20)) as db:
        try:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.DatabaseError:
            pass
    held = max(held, overwrite(spool.path, page))
    found = wait_for(lambda: (lambda s: s["spool"]["replaced"] == 1 and s)(asked_at_its_socket(branch.state)), 90,
                     "the spool is replaced", branch.log)
    found_at, accepted = found["sampling"]["ticks"], found["spool"]["accepted_samples"]
    after = wait_for(lambda: (lambda s: s["spool"]["accepted_samples"] >= accepted + SERIES and s)(
        asked_at_its_socket(branch.state)), 20, f"{SERIES} more samples are accepted", branch.log)
    assert after["sampling"]["ticks"] - found_at <= 3, (found["sampling"], after["sampling"])
    samples_on(after["sampling"])
    assert found_at >= ticks
    wait_for(lambda: not branch.status()["spool"]["recovery"]["running"], 30, "the recovery ends", branch.log)
    branch.says("a damaged one was set aside as spool.db.aside-", "open samples recovered")
    status = branch.status()["spool"]
    assert status["id"] != old and status["predecessor"] == old
    receipted(centre, branch.agent, branch.base)
    # The centre is told: an event, and an entry in the ledger.
    wait_for(lambda: branch.gaps(DAMAGED), 60, "the ledger has the damage", branch.log)
    events = centre.api("GET", f"/devices/{branch.agent.device}/events")["items"]
    assert [e for e in events if e["type"] == "spool.damaged"], events
    holes = branch.missing_ticks()
    for _, _, at, later in holes:
        assert any(begin <= later and at <= end for begin, end, _ in branch.gaps(DAMAGED, 1)), (holes, branch.gaps(DAMAGED))
    # One bad page costs what it held, and at most what was taken in until it was found.
    lost = sum(following - n - 1 for n, following, _, _ in holes)
    print(f"{lost} ticks are lost; the page held the rows of {held}, found after {found_at - ticks}")
    assert lost <= held + found_at - ticks, holes
    branch.nothing_unexplained()
    branch.agent.kill()


# ---- set back ----

def test_an_older_spool_put_back_loses_nothing_that_was_delivered(centre, tmp_path):
    branch = Branch(centre, "set back").start()
    for live in (False, True):
        branch.wait_samples(2 * SERIES)
        copy = tmp_path / f"copy-{live}"
        if live:
            branch.agent.process.pause()  # a snapshot of the machine: file and log as they are
        else:
            branch.agent.stop()
        copy.mkdir()
        for file in branch.state.glob("spool.db*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, copy)
        if live:
            branch.agent.process.resume()
        else:
            branch.start()
        branch.wait_samples(3 * SERIES)
        old = Spool(branch.agent).id()
        # What came after the copy is delivered, then the disk goes back.
        receipted(centre, branch.agent, branch.base)
        branch.agent.kill()
        for file in branch.state.glob("spool.db*"):
            file.unlink()
        for file in copy.iterdir():
            shutil.copy(file, branch.state)
        branch.agent.config.write_text(branch.base + load(SERIES))
        branch.start()
        wait_for(lambda: Spool(branch.agent).id() != old, 60, "a new spool id begins", branch.log)
        assert "an older copy was put back" in branch.log()
        branch.wait_samples(2 * SERIES)
    receipted(centre, branch.agent, branch.base)
    offs = branch.gaps(1)
    for _, _, at, later in branch.missing_ticks():
        assert any(at <= begin and end <= later for begin, end, _ in offs), (at, later, offs)
    branch.nothing_unexplained()
    branch.agent.kill()


# ---- the saved time ----

def test_a_wrong_digit_in_the_saved_time_is_not_believed(centre):
    branch = Branch(centre, "time")
    branch.state.mkdir(exist_ok=True)
    (branch.state / "time").write_text("9795827740318 1795827740318\n")
    branch.start()
    assert branch.status()["clock"]["before_known_time"] is False, branch.words()
    # What it saves when it stops is believed by the next.
    wait_for(lambda: branch.status()["clock"]["trusted"], 30, "the clock is known", branch.log)
    branch.agent.stop()
    first, second = (branch.state / "time").read_text().split()
    assert first == second
    branch.start()
    assert branch.status()["clock"]["floor_unix_ms"] >= int(first)
    branch.agent.kill()


# ---- newer ----

def test_a_newer_spool_is_refused_with_a_word_and_not_touched(centre):
    branch = Branch(centre, "newer").start()
    branch.agent.stop()
    path = branch.agent.spool()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA user_version = 99")
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    done = subprocess.run([program("branchline-agent"), "run", "--config", branch.agent.config],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "written by a newer version" in done.stderr and "left untouched" in done.stderr
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert sorted(f.name for f in branch.state.glob("*aside*")) == []
