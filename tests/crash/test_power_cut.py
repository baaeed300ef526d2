"""Power cuts under a live spool and a live store: what was accepted, or receipted, is there afterwards.

The folder of the real program is a file system in a file (support/image.py). At a moment under load the
program is stopped, what has reached the block device becomes the disk of its next boot, and the program
starts there. Its disk is slow (slow_disk.c), so that many cuts fall between a write and its sync. What it
had promised is known from outside of that file system: reports were answered "ok" over a socket,
receipts stand in the agents' spools. BL_CUTS=full: 500 and 250 cuts; BL_LONG: 20,000 and 5,000.
"""

import os
import random
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing

import pytest

from support.builds import program
from support.image import Image, skip_without_images
from support.oracle import (Account, Spool, Store, account_of_reports, account_of_samples, arrived_in_full,
                            check_values, load, nothing_but_off, quieten)
from support.process import clean_environment
from support.second import second_opinion
from support.seed import chance_seed
from support.steps import EventLoad
from support.wait import wait_for

AGENT_CUTS, STORE_CUTS = ((20000, 5000) if os.environ.get("BL_LONG") else
                          (500, 250) if os.environ.get("BL_CUTS") == "full" else (60, 30))
AGENT_PART, STORE_PART = 250, 50  # cuts of one organisation
NEWEST = 5000  # reports that are looked for after each cut; all of them are at the end
SERIES = 100
SPOOL_MIB = 24
BROKEN_CUTS = 6


@pytest.fixture
def images(tmp_path, processes):
    """images(name, mib): an Image that is gone after the test; programs that hold it end before."""
    skip_without_images()
    made = []

    def make(name, mib) -> Image:
        made.append(Image(tmp_path, name, mib))
        return made[-1]

    yield make
    processes.end_all()
    for image in made:
        image.end()


@pytest.fixture
def rng(record_property):
    seed = chance_seed()
    print(f"seed {seed} (BL_SEED repeats it)")
    record_property("seed", seed)
    return random.Random(seed)


def complaints(db) -> list:
    """PRAGMA integrity_check without its mistakes: 3.40.1 sees a NULL in every row of a WITHOUT ROWID table
    whose key is not its first columns in order (eval_dirty), where a query finds none."""
    found = []
    for (text,) in db.execute("PRAGMA integrity_check").fetchall():
        table, _, column = text.removeprefix("NULL value in ").partition(".")
        if text != "ok" and (not text.startswith("NULL value in ") or
                             db.execute(f'SELECT count(*) FROM "{table}" WHERE "{column}" IS NULL').fetchone() != (0,)):
            found.append(text)
    return found


def rows_of_copy(path, sql):
    """What a database says at the next start, after its own check; of a copy, so that nobody has started."""
    with tempfile.TemporaryDirectory() as folder:
        for file in (path, path.with_name(path.name + "-wal")):
            if file.exists():
                shutil.copy(file, folder)
        with closing(sqlite3.connect(os.path.join(folder, path.name))) as db:
            assert complaints(db) == []
            return db.execute(sql).fetchall()


def being_written(log):
    """Waits until a program writes into its log: its sync is still to come, or under way."""
    def stamp():
        return log.stat().st_mtime_ns if log.exists() else 0
    before = stamp()
    wait_for(lambda: stamp() != before, 30, f"{log} is written")


def slow_disk() -> dict:
    """The environment of a program whose syncs take their time."""
    # The sanitizer wants to be the first library; only wrappers of two calls stand before it.
    asan = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0")))
    return clean_environment(LD_PRELOAD=str(program("libslow_disk.so")), ASAN_OPTIONS=asan)


class Till:
    """An agent with its load, and, if it is to be cut, its state in an image."""

    def __init__(self, org, name, image=None, agent_program=None):
        self.org = org
        self.agent = org.add_agent("cuts", name)
        self.agent.program = agent_program
        self.image = image.mount(self.agent.folder / "state") if image else None
        self.socket = self.agent.folder / "steps.sock"  # outside of the image
        # The cap leaves the image's own tables and journal room.
        self.base = self.agent.config.read_text() + (
            f"\ninlets: {{ steps: {{ socket: {self.socket} }} }}\nspool: {{ max_bytes: 12MiB }}\n")
        self.agent.config.write_text(self.base + load(SERIES))
        self.start()
        self.spool = Spool(self.agent).id()
        self.load = EventLoad(self.agent.device, self.socket, rate=250, burst=8, padding=320)
        self.load.start()

    def start(self):
        self.agent.start(env=slow_disk() if self.image else None)

    def more(self, n):
        until = self.load.accepted + n
        wait_for(lambda: self.load.failure or self.load.accepted >= until, 60, "reports are accepted",
                 self.agent.process.log)

    def cut(self) -> int:
        """A power cut and the next boot; how many reports that were answered "ok" it does not have."""
        ended = self.load.ended
        being_written(self.agent.folder / "state" / "spool.db-wal")
        self.image.cut(self.agent.process)
        # What the stopped agent had said already is still in the socket.
        wait_for(lambda: self.load.failure or self.load.ended > ended, 30, "the last answers are read")
        missing = min(self.load.accepted, NEWEST) - self._kept(self.load.accepted)
        self.start()
        return missing

    def _kept(self, upto) -> int:
        """How many of the newest reports up to this one the disk knows: the spool remembers the ids."""
        try:
            ids = {row[0] for row in rows_of_copy(self.agent.folder / "state" / "spool.db", "SELECT id FROM seen")}
        except sqlite3.Error as damaged:
            print(f"{self.agent.device}: {damaged}")
            return 0
        return sum(self.load.id(n) in ids for n in range(max(1, upto - NEWEST + 1), upto + 1))

    def receipted(self) -> set:
        """{(spool, stream, seq)} of what the collector has said is safe, as this spool remembers it."""
        with closing(sqlite3.connect(f"file:{self.agent.spool()}?mode=ro", uri=True, timeout=10)) as db:
            spools = dict(db.execute("SELECT gen, hex(spool) FROM spool_gen").fetchall())
            ids = db.execute("SELECT id FROM batch WHERE receipted_unix_ms IS NOT NULL").fetchall()
        return {(spools[i >> 50], i >> 48 & 3, i & (1 << 48) - 1) for (i,) in ids}


def account(org, tills) -> Account:
    store, total = Store(org), Account()
    for till in tills:
        till.load.finish()
    for till in tills:
        quieten(till.agent, till.base)
    for till in tills:
        arrived_in_full(org, till.agent, timeout_s=120)
        assert check_values(store, till.agent.device) > 0
        total += account_of_samples(store, till.agent) + account_of_reports(store, till.agent, till.load)
    return total


def told(of_what, images, took) -> str:
    return (f"{sum(i.cuts for i in images)} power cuts of {of_what} in {took:.0f} s;"
            f" {sum(i.bit for i in images)} took away something written and not synced,"
            f" {sum(i.unsettled for i in images)} copies were taken anew;")


def nothing_lost(org, tills, least, record_property):
    total = account(org, tills)
    print(total.line())
    record_property("account", total.line())
    assert (total.doubled, total.lost, total.explained) == (0, 0, 0), total.line()
    assert total.accepted == total.stored > least * 8
    nothing_but_off(org, [(t.agent, t.spool) for t in tills])
    assert org.api("GET", "/gaps")["unexplained"] == 0
    second_opinion(org, [t.agent for t in tills], [t.load for t in tills], record_property)


def parts(cuts, most):
    return pytest.mark.parametrize("cuts", [min(most, cuts - n) for n in range(0, cuts, most)])


@parts(AGENT_CUTS, AGENT_PART)
def test_a_power_cut_loses_nothing_that_an_agent_accepted(organisation, images, rng, record_property, cuts):
    org = organisation
    org.tool("site", "add", "Cuts")
    tills = [Till(org, f"till {i}", images(f"till-{i}", SPOOL_MIB)) for i in range(3)]
    begun = time.monotonic()
    for _ in range(cuts):
        till = rng.choice(tills)
        till.more(rng.randrange(1, 30))
        assert till.cut() == 0, "answered \"ok\", and not on the disk"
    took = time.monotonic() - begun
    images_of = [t.image for t in tills]
    print(told("agents", images_of, took),
          f"{sum(t.load.repeated for t in tills)} reports were there already when said again")
    nothing_lost(org, tills, cuts, record_property)
    assert sum(i.bit for i in images_of) > cuts / 20, "cuts fall between a write and its sync"


def test_the_rig_sees_an_agent_that_does_not_sync(organisation, images, rng):
    """The same with a spool whose synchronous is OFF: it must lose, or the cuts above prove nothing."""
    organisation.tool("site", "add", "Cuts")
    till = Till(organisation, "till", images("broken", SPOOL_MIB), program("branchline-agent_sync-off"))
    till.more(1)
    till.image.sync()  # the file itself is there: what is lost is what came after
    lost = 0
    for _ in range(BROKEN_CUTS):
        till.more(rng.randrange(1, 30))
        lost += till.cut()
        if lost > 0:
            break
    print(f"{lost} reports that were answered \"ok\" are gone")
    assert lost > 0


@parts(STORE_CUTS, STORE_PART)
def test_a_power_cut_loses_nothing_that_the_collector_receipted(organisation, images, rng, record_property, cuts):
    org = organisation
    org.tool("site", "add", "Cuts")
    org.collector.stop()
    image = images("store", 64 + 2 * cuts).mount(org.folder / "collector")
    org.start_collector(env=slow_disk())
    tills = [Till(org, f"till {i}") for i in range(3)]
    store, promised, begun = Store(org), 0, time.monotonic()
    epoch = store.epoch()
    for _ in range(cuts):
        stored = store.values()
        wait_for(lambda: store.values() > stored, 60, "something is stored", org.collector.log)
        rng.choice(tills).more(rng.randrange(1, 30))
        being_written(store.path.with_name("telemetry.db-wal"))
        image.cut(org.collector)
        # The broker passes on what had been said; nobody else says anything now.
        receipts = set().union(*(t.receipted() for t in tills))
        kept = set(rows_of_copy(store.path, "SELECT hex(s.uuid), b.stream, b.seq FROM batch b"
                                " JOIN spool s ON s.id = b.spool_id"))
        assert not receipts - kept, "receipted, and not on the disk"
        rows_of_copy(store.path.with_name("control.db"), "SELECT 1")
        promised = len(receipts)
        org.start_collector(env=slow_disk())
    took = time.monotonic() - begun
    print(told("the collector", [image], took), f"{promised} batches were receipted before the last")
    nothing_lost(org, tills, cuts, record_property)
    assert store.epoch() == epoch, "neither damaged nor taken for an older copy"
    assert promised > cuts and image.bit > 0
