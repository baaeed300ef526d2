"""What is done to whom. Every choice comes from the seed; when exactly it happens does not.

Three acts that need the past (a spool rolled back, a store set back, a spool filled) come in turn, with
kills and bad links in between and during them, where that does not decide what may be lost.
"""

import random
import shutil
import sqlite3
import time
from dataclasses import dataclass, field

import spool

DEEP_EVERY_S = (45, 120)  # between two acts that need the past, once each was done
DEEP_AGAIN_S = 4  # one that could not be done, or was left out, comes again
LATE_S = 180  # beyond the time that was asked for, until each of them was done once
SETTLE_ONE_S = 45
PAUSE_S = 30
FILL_STEPS = 700
FOLDER_MAX_MIB = 1024


@dataclass
class Life:
    """What was done by hand to one agent's spool: for the arithmetic."""

    backs: int = 0  # how often it was rolled back
    accepted_before: int = 0  # by spool files that were replaced, beyond what their copies knew
    uncut: int = 0  # of them, values that no batch held
    undelivered: dict = field(default_factory=dict)  # key of a batch without a receipt -> values


@dataclass
class Copy:
    at_mono_s: float
    accepted: int


def nothing_waits(agent):
    """The run of now has been answered, and every batch has its receipt."""
    try:
        return agent.answered() and spool.counts(agent.spool_file()).waiting == 0
    except sqlite3.Error:
        return False


def no_event_waits(agent):
    """The run of now has been answered, and no event is without a receipt."""
    try:
        return agent.answered() and spool.events_waiting(agent.spool_file()) == 0
    except sqlite3.Error:
        return False


class Acts:
    def __init__(self, org, tellers, seed, seconds, until, say, words):
        self._org, self._tellers, self._until = org, tellers, until
        self._say, self._words = say, words
        self._random = random.Random(seed)
        self._seconds = seconds
        self._mend_at = {}  # agent -> when its link is well again
        self._start_at = {}  # program -> when it is started again
        self._copies = {}  # agent -> Copy of its spool
        self._store_copied = None  # when
        self.lives = {agent.name: Life() for agent in org.agents}
        self.census = spool.Census()
        self.set_back = set()  # batches that a store held which was replaced by one without them
        self.done = {"kills": 0, "links": 0, "backs": 0, "stores": 0, "fills": 0}
        self.ended = []  # (who, code): programs that ended by themselves

    # ---- the whole ----

    def run(self):
        """Until the time is over and each act was done once, the folder is full or somebody asks for the end."""
        begun = time.monotonic()
        end = begun + self._seconds
        deep = self._plan(begun)
        copies = [begun + min(8, self._seconds / 8)]
        next_random = begun + min(5, self._seconds / 10)
        next_look = begun
        while not self._until.soon:
            now = time.monotonic()
            if now >= end and (now >= end + LATE_S or not any(self._is_owed(act) for act in self._deep())):
                break
            self.keep_up()
            if now >= next_look:
                self._look()
                next_look = now + 1
                if self._is_full():
                    break
            if copies and now >= copies[0]:
                copies.pop(0)
                self._take_copies()
            elif deep and now >= deep[0][0]:
                act = deep.pop(0)[1]
                if not self._is_able(act):  # there is no copy yet
                    deep.append((now + DEEP_AGAIN_S, act))
                    copies.insert(0, now)
                    continue
                act()  # may leave it out, and say why
                if self._is_owed(act):
                    deep.insert(0, (time.monotonic() + DEEP_AGAIN_S, act))
                self._look()
                copies.append(time.monotonic() + self._random.uniform(5, 20))
                if not deep:
                    deep = self._more_deep()
            elif now >= next_random:
                (self._kill if self._random.random() < 0.45 else self._bad_link)()
                next_random = time.monotonic() + self._random.uniform(1.0, 4.0)
            self._until.sleep(0.1)
        return time.monotonic() - begun

    def mend(self):
        """Everything runs, every link is well."""
        for agent in self._org.agents:
            agent.link.mend()
        self._mend_at.clear()
        for program in list(self._start_at):
            self._start_at[program] = 0
        self.keep_up()

    def _deep(self):
        return [self._roll_back, self._set_back, self._fill]

    def _is_owed(self, act):
        return self.done[{self._roll_back: "backs", self._set_back: "stores", self._fill: "fills"}[act]] == 0

    def _plan(self, begun):
        kinds = self._deep()
        self._random.shuffle(kinds)
        return [(begun + self._seconds * share, kind) for share, kind in zip((0.28, 0.5, 0.75), kinds)]

    def _more_deep(self):
        return [(time.monotonic() + self._random.uniform(*DEEP_EVERY_S),
                 self._random.choice(self._deep()))]

    def _is_able(self, act):
        if act == self._roll_back:
            return bool(self._copies)
        return act != self._set_back or self._store_copied is not None

    def _look(self):
        for agent in self._org.agents:
            if agent.made():
                self.census.look(agent.spool_file())

    def _is_full(self):
        if self._org.megabytes() < FOLDER_MAX_MIB:
            return False
        self._say("full", cap=FOLDER_MAX_MIB)
        return True

    def keep_up(self):
        """What is due: programs start, links are mended; who ended by itself is noted and started."""
        now = time.monotonic()
        for program, at in list(self._start_at.items()):
            if now >= at:
                del self._start_at[program]
                program.start()
        for agent, at in list(self._mend_at.items()):
            if now >= at:
                del self._mend_at[agent]
                agent.link.mend()
        for program in self._org.programs():
            code = program.ended_by_itself()
            if code is not None:
                self.ended.append((program.name, code))
                program.start()

    def _who(self, name):
        return self._words("agent", name=name) if name not in ("broker", "collector") else self._words(name)

    # ---- kills ----

    def _kill(self):
        programs = [p for p in self._org.programs() if p.running() and p not in self._start_at]
        if not programs:
            return
        chosen = self._random.sample(programs, min(len(programs), self._random.choice((1, 1, 1, 2, 2, 3, len(programs)))))
        seconds = self._random.choice((0.0, self._random.uniform(0, 1), self._random.uniform(0, 4)))
        if self._random.random() < 0.3 and self._org.collector.program in programs:
            # Alone and for a while: agents go on sending, the broker takes it and has nobody to give it to.
            chosen, seconds = [self._org.collector.program], self._random.uniform(2, 6)
        for program in chosen:
            program.kill()
        names = []
        for program in chosen:
            self._start_at[program] = time.monotonic() + seconds
            names.append(self._broker_database() if program is self._org.broker.program else self._who(program.name))
        self.done["kills"] += len(chosen)
        self._say("kill", who=self._words("and").join(names), seconds=seconds)

    def _broker_database(self):
        """It comes back with none, with an older one, or with what it had."""
        broker, choice = self._org.broker, self._random.random()
        if choice < 0.6:
            broker.lose_database()
            return self._words("broker_empty")
        if choice < 0.8 and broker.has_older():
            broker.put_older_back()
            return self._words("broker_older")
        broker.keep_database()
        return self._words("broker")

    # ---- links ----

    def _bad_link(self):
        rng = self._random
        agent = rng.choice(self._org.agents)
        kind = rng.choice(("delay", "rate", "stall", "blackhole", "reset", "cut", "half_close"))
        self.done["links"] += 1
        if kind in ("cut", "half_close"):
            agent.link.cut() if kind == "cut" else agent.link.half_close(rng.random() < 0.5)
            self._say("cut", who=self._who(agent.name), what=self._words(f"is_{kind}"))
            return
        seconds = rng.uniform(1, 7)
        values = {"delay": {"delay_ms": rng.choice((20, 200, 800)), "jitter_ms": rng.choice((0, 100, 1000))},
                  "rate": {"rate_bytes_s": rng.choice((500, 4000, 32000))},
                  "stall": {"stall": True}, "blackhole": {"blackhole": True},
                  "reset": {"reset_after_bytes": rng.choice((300, 3000, 12000))}}[kind]
        agent.link.impair(**values)
        self._mend_at[agent] = time.monotonic() + seconds
        self._say("link", who=self._who(agent.name), seconds=seconds, what=self._words(
            f"is_{kind}", ms=values.get("delay_ms"), jitter=values.get("jitter_ms"),
            rate=values.get("rate_bytes_s"), bytes=values.get("reset_after_bytes")))

    # ---- copies ----

    def _take_copies(self):
        """Of spools that the centre has answered in this run, and of the store."""
        for agent in self._org.agents[:-1] or self._org.agents:
            if agent.name not in self._copies:
                self._copy_spool(agent)
        if self._store_copied is None and self._org.collector.store.exists():
            try:
                self._org.collector.copy_store()
            except sqlite3.Error:
                return  # busy being recovered: another time
            self._store_copied = time.monotonic()
            self._say("store_copy")

    def _copy_spool(self, agent):
        program = agent.program
        if not program.running() or not agent.answered():
            return
        program.kill()
        folder = self._copy_folder(agent)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        file = agent.spool_file()
        for part in file.parent.glob(file.name + "*"):
            shutil.copy2(part, folder)
        # A reader would make a -shm of its own: what is looked at is the original.
        self._copies[agent.name] = Copy(time.monotonic(), spool.counts(file).accepted)
        self.census.look(file)
        program.start()
        self.done["kills"] += 1
        self._say("spool_copy", who=self._who(agent.name))

    def _copy_folder(self, agent):
        return self._org.folder / f"{agent.name}-copy"

    # ---- what needs the past ----

    def _settled(self, agent):
        """The agent runs without load and everything that it holds has its receipt."""
        def settled():
            self.keep_up()
            return self._until.soon or nothing_waits(agent)
        self.mend()
        agent.program.kill()
        agent.sample(False)
        self._start_at.pop(agent.program, None)
        agent.program.start()
        done = self._until.wait(settled, SETTLE_ONE_S, 0.2)
        agent.sample(True)
        return done and not self._until.soon

    def _pause(self, teller):
        """Until what is told has its answer: the agent may be dead, and is started again meanwhile."""
        def paused():
            self.keep_up()
            return teller.pause()
        return self._until.wait(paused, PAUSE_S)

    def _backlog(self, agent):
        """Its steps have their receipts; then it is cut off, and values wait in batches and in none."""
        def steps_are_there():
            self.keep_up()
            return self._until.soon or no_event_waits(agent)
        self.mend()
        if not self._until.wait(steps_are_there, SETTLE_ONE_S, 0.2) or self._until.soon:
            return False
        agent.link.impair(stall=True)
        agent.link.cut()
        self._until.sleep(2)
        agent.program.kill()
        agent.program.start()  # cuts what was open
        self._until.sleep(2)
        agent.link.mend()
        return True

    def _roll_back(self):
        """To the copy: when everything accepted since has its receipt, or in the middle of a backlog. What is
        only in the lost file then is known to the value; of steps, nothing is."""
        agent = self._random.choice([agent for agent in self._org.agents if agent.name in self._copies])
        midst = self._random.random() < 0.5
        teller, copy, life = self._tellers[agent.name], self._copies[agent.name], self.lives[agent.name]
        if not self._pause(teller):
            return
        try:
            ready = self._backlog(agent) if midst else self._settled(agent)
            agent.program.kill()
            seconds = time.monotonic() - copy.at_mono_s
            said = "spool_back_midst" if midst else "spool_back"
            if not ready:
                what = self._words(said, who=self._who(agent.name), seconds=seconds)
                self._say("skipped", what=what, why=f"{SETTLE_ONE_S} s")
                return
            self._put_spool_back(agent, copy, life)
            self._say(said, who=self._who(agent.name), seconds=seconds)
            del self._copies[agent.name]
            # A store from before this would lack what only the lost file could send again.
            self._store_copied = None
            self._org.collector.forget_copy()
            self.done["backs"] += 1
        finally:
            agent.program.start()
            teller.resume()

    def _put_spool_back(self, agent, copy, life):
        """The agent must not run."""
        file = agent.spool_file()
        self.census.look(file)
        lost = spool.counts(file)
        life.backs += 1
        life.accepted_before += lost.accepted - copy.accepted
        life.uncut += lost.uncut
        life.undelivered.update(spool.undelivered(file))
        for part in file.parent.glob(file.name + "*"):
            part.unlink()
        for part in self._copy_folder(agent).iterdir():
            shutil.move(part, file.parent)

    def _set_back(self):
        collector = self._org.collector
        collector.program.kill()
        self.set_back |= collector.beyond_copy()
        self._say("store_back", seconds=time.monotonic() - self._store_copied)
        collector.put_copy_back()
        self._store_copied = None
        self._start_at.pop(collector.program, None)
        collector.program.start()
        self.done["stores"] += 1

    def _fill(self):
        """The small spool, cut off from the broker, gets large steps until samples must go."""
        agent = self._org.agents[-1]
        teller = self._tellers[agent.name]
        if not self._pause(teller):
            return
        try:
            self._say("fill", who=self._who(agent.name))
            self._mend_at.pop(agent, None)
            agent.link.impair(stall=True)
            agent.link.cut()
            before = spool.counts(agent.spool_file()).dropped
            # A start cuts what is open: something that may be dropped.
            agent.program.kill()
            self._start_at.pop(agent.program, None)
            agent.program.start()
            dropped = self._fill_up(agent, teller, before)
            self.done["fills"] += dropped > 0
            self._say("filled" if dropped else "not_filled", who=self._who(agent.name), batches=dropped)
        finally:
            self._mend_at[agent] = time.monotonic() + 1
            teller.resume()

    def _fill_up(self, agent, teller, before):
        dropped = 0
        for i in range(FILL_STEPS):
            if self._until.soon:
                break
            if not teller.tell_big(10):
                self.keep_up()
                self._until.sleep(0.1)
            if i % 8 == 0:
                self.census.look(agent.spool_file())
                dropped = spool.counts(agent.spool_file()).dropped - before
                if dropped > 0:
                    break
        return dropped
