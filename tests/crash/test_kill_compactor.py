"""kill -9 of the collector while its compactor works: nothing is lost, nothing doubled, every part can be read.

A fleet of simulated agents brings its backlogs through a real broker, so that hours are packed and, for what came meanwhile,
packed again. The collector dies when the compactor has changed its files once or some times more (dealt from a seed, which
is printed), so in the middle of a part as likely as behind it. Then its clock goes on by hours: the hour that was open is packed,
worn ones are written anew, and the rows of batches go. Every value that the fleet says it sent is then held against the
store: through parts alone, since there are no batches any more.
"""

import json
import mmap
import os
import random
import sqlite3
import struct
import time

import pytest

from support.builds import program
from support.fleet import Fleet
from support.org import ApiError, Organisation
from support.process import clean_environment
from support.seed import chance_seed
from support.wait import wait_for

LONG = bool(os.environ.get("BL_LONG"))
PARTS = 10 if LONG else 1  # organisations, each with so many deaths
KILLS = 20
AGENTS, HOURS = 2, 60  # an hour is a part: three for each death
TICK_S, CUT_S = 120, 600
CHANGES = (1, 1, 1, 1, 2, 3)  # of the parts' files that it lives to see
GIVE_UP_S = 3  # nothing was due when it began: another life looks again, the next one for longer
LEVELS = ("raw", "m5", "h1")
SETTINGS = "compact:\n  after: 1s\n"
# Not "lost" and "failed", which are connections: the broker ends one of whom it has not heard for 45 s.
WRONG = ("unsettled", "refused", "bad_messages", "dropped", "aside", "foreign", "gone")


class Later:
    """The collector's wall clock, moved by the test (clock_fault.c)."""

    def __init__(self, folder, add_s):
        self.file = folder / "later"
        self.file.write_bytes(bytes(40))
        with open(self.file, "r+b") as file, mmap.mmap(file.fileno(), 40) as said:
            said[:] = struct.pack("qqqqq", int((time.time() + add_s) * 1000), int(time.monotonic() * 1000), 100, 0, 1)

    def env(self):
        return clean_environment(LD_PRELOAD=str(program("clock_fault.so")), BL_CLOCK_FAULT=str(self.file),
                                 ASAN_OPTIONS="verify_asan_link_order=0")


class Victim:
    """The collector, started without waiting for its answer, and killed when its files have changed."""

    def __init__(self, org, rng):
        self.org, self.rng = org, rng
        self.parts, self.store = org.folder / "collector" / "parts", org.folder / "collector" / "telemetry.db"
        self.kills = self.at_work = 0
        self.give_up_s = GIVE_UP_S

    def files(self):
        return tuple(sorted((entry.name, entry.stat().st_size) for entry in os.scandir(self.parts)))

    def start(self, env=None):
        self.org.collector = self.org.processes.start("collector", [
            program("branchline-collector"), "run", "--config", self.org.folder / "collector" / "collector.yaml"], env=env)

    def die_at_work(self, env=None):
        changes, seen = self.rng.choice(CHANGES), self.files()
        self.start(env)
        until = time.monotonic() + self.give_up_s
        while changes > 0 and time.monotonic() < until:
            assert self.org.collector.running(), self.org.collector.log()[-3000:]
            now = self.files()
            changes -= now != seen
            seen = now
            time.sleep(0.002)  # the pace of looking
        self.org.collector.kill()
        self.kills += 1
        self.at_work += changes <= 0
        self.give_up_s = GIVE_UP_S if changes <= 0 else 2 * self.give_up_s

    def due(self):
        return self.sql("SELECT count(*) FROM pack_due")[0][0]

    def sql(self, statement):
        with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True) as db:
            rows = db.execute(statement).fetchall()
        db.close()
        return rows

    def storage(self):
        try:
            return self.org.api("GET", "/storage")
        except (OSError, ApiError, json.JSONDecodeError):
            return None


def named_once(victim):
    """Regions lie within their files, none over another, and behind the last one that is named is nothing."""
    ends = {}
    for level in LEVELS:
        rows = victim.sql(f"SELECT hour_unix_ms, {level}_offset, {level}_bytes FROM part WHERE {level}_bytes > 0")
        dead = victim.sql("SELECT hour_unix_ms, offset, bytes FROM part_dead"
                          f" WHERE level = {LEVELS.index(level)}")
        regions = {}
        for hour, offset, size in rows + dead:
            day = time.strftime("%Y%m" if level == "h1" else "%Y%m%d", time.gmtime(hour / 1000))
            regions.setdefault(f"{level}-{day}.blp", []).append((offset, offset + size))
        for name, spans in regions.items():
            spans.sort()
            assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:])), (name, spans)
            ends[name] = spans[-1][1]
    assert dict(victim.files()) == ends


@pytest.mark.parametrize("part", range(PARTS))
def test_kill_9_of_the_compactor_loses_and_doubles_nothing(processes, tmp_path, record_property, part):
    seed = chance_seed() + part
    print(f"seed {seed} (BL_SEED repeats it)")
    record_property("seed", seed)
    org = Organisation(tmp_path, processes, settings=SETTINGS).start()
    fleet, victim = Fleet(org, AGENTS), Victim(org, random.Random(seed))
    fleet.start("--tick", str(TICK_S), "--cut", str(CUT_S), "--past-cut", str(CUT_S), "--backlog", str(HOURS), "--measure", "1",
                "--limit", "550", "--seed", str(seed), "--split")
    wait_for(lambda: victim.due() > HOURS, 60, "backlogs come", org.collector.log)
    org.collector.kill()

    # While more comes, as long as there is something to pack.
    while victim.at_work < KILLS and (victim.due() > 0 or fleet.process.running()):
        victim.die_at_work()
    org.start_collector()
    seen = fleet.wait()
    assert {name: seen[name] for name in WRONG} == dict.fromkeys(WRONG, 0), seen
    org.collector.kill()

    # Nothing is open any more; then no row of a batch has to stay.
    hours = Later(tmp_path, 2.5 * 3600).env()
    for _ in range(KILLS // 10):
        victim.die_at_work(hours)
    victim.start(hours)
    wait_for(lambda: victim.due() == 0 and victim.sql("SELECT count(*) FROM part_device")[0][0] >= AGENTS * HOURS, 60,
             "everything is packed", org.collector.log)
    org.collector.kill()
    victim.start(Later(tmp_path, 3 * 3600).env())
    wait_for(lambda: victim.sql("SELECT count(*) FROM pack_clean WHERE n > 1")[0][0] == 0, 60, "rows of batches go",
             org.collector.log)
    if LONG:  # the daily look at every byte takes minutes, some MiB at a time
        found = wait_for(lambda: (s := victim.storage()) and s["damaged"]["checked_unix_ms"] and s, 3600, "all is looked at",
                         org.collector.log)
        assert found["damaged"]["count"] == 0, found
    org.collector.stop()
    print(f"{victim.kills} kills, {victim.at_work} of them at work")
    assert victim.at_work >= KILLS
    assert victim.sql("SELECT count(*) FROM batch")[0][0] < AGENTS * HOURS, "it is parts that are read"
    named_once(victim)
    checked = fleet.check()
    assert checked["check_wrong_agents"] == checked["check_wrong_values"] == 0, checked
    assert checked["check_values"] == checked["check_samples"] == seen["settled_samples"] >= AGENTS * HOURS * 100 * (3600 // TICK_S)
