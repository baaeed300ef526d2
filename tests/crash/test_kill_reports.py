"""kill -9 of an agent under ten senders of all that can be reported, over both sockets: what got "ok" is
there once, and what did not is said again with its id and is there once.
"""

import os
import random
import threading
import time

from support.lone import Datagrams, LoneAgent
from support.seed import chance_seed
from support.steps import Reporter
from support.wait import wait_for

LONG = bool(os.environ.get("BL_LONG"))
KILLS = 200 if LONG else 12
STREAMS, DATAGRAMS = 7, 3


def line(sender, n):
    """Report n of a sender: every verb in turn, some of them of the last minutes."""
    at = f" at={time.time() - n % 7 * 40:.3f}" if n % 3 == 0 else ""
    what = (f"step begin c-{sender}-{n} pick process=order n={n}",
            f"step end c-{sender}-{n} pick process=order n={n}",
            f"step event c-{sender}-{n} n={n}",
            f"case c-{sender}-{n} status=done n={n}",
            f"event door.opened sender={sender} n={n}",
            f"metric queue_length {n} sender=s{sender}",
            f"metric sold_total {n} kind=counter sender=s{sender}")[n % 7]
    return f"{what} id={sender}-{n}{at}"


class Sender(threading.Thread):
    """Says report 1, 2, 3 ... until it is told to stop; each again and again until it got an "ok"."""

    def __init__(self, k, agent, datagrams):
        super().__init__(daemon=True)
        self.k, self.agent, self.datagrams = k, agent, datagrams
        self.accepted, self.repeated, self.failure = 0, 0, None
        self.stop = threading.Event()

    def connect(self):
        if self.datagrams:
            return Datagrams(self.agent.datagrams)
        return Reporter(self.agent.socket)

    def answer(self, to, n):
        """A datagram's answer does not come when the agent dies, and nobody tells."""
        text = line(self.k, n)
        return to.ask(text, 0.5) if self.datagrams else to.ask(text)

    def run(self):
        try:
            while not self.stop.is_set():
                try:
                    with self.connect() as to:
                        while not self.stop.is_set():
                            answer = self.answer(to, self.accepted + 1)
                            if answer == "":
                                break  # killed under us: whether it has it is not known
                            assert answer in ("ok", "ok repeated"), answer
                            self.repeated += answer == "ok repeated"
                            self.accepted += 1
                except OSError:
                    self.stop.wait(0.02)  # nobody listens, or answers, for a moment
        except Exception as failure:
            self.failure = failure


def number(event):
    return int(dict(event["attrs"])["n"])


def test_what_was_answered_ok_is_there_once_whatever_it_is(tmp_path, processes):
    seed = chance_seed()
    print(f"seed {seed} (BL_SEED repeats it)")
    rng = random.Random(seed)
    agent = LoneAgent(tmp_path / "agent", processes).start()
    senders = [Sender(k, agent, k >= STREAMS) for k in range(STREAMS + DATAGRAMS)]

    def accepted():
        failed = [s.failure for s in senders if s.failure is not None]
        assert not failed, failed
        return sum(s.accepted for s in senders)

    for sender in senders:
        sender.start()
    try:
        for _ in range(KILLS):
            more = accepted() + rng.randrange(1, 60)
            wait_for(lambda more=more: accepted() >= more, 120, "reports are accepted", agent.process.log)
            agent.process.kill()
            agent.start()
        # Every sender got through, also those whom the deaths met worst.
        least = [s.accepted + 1 for s in senders]
        wait_for(lambda: accepted() and all(s.accepted >= n for s, n in zip(senders, least)), 120,
                 "every sender is heard", agent.process.log)
    finally:
        for sender in senders:
            sender.stop.set()
        for sender in senders:
            sender.join(60)
    agent.process.kill()
    events, values = agent.accepted()
    found = {s.k: [] for s in senders}
    for event in events:
        sender, n = map(int, event["id"].split("-"))
        assert number(event) == n
        found[sender].append(n)
    for _, labels, _, value in values:
        assert labels["source"] == "socket"
        found[int(labels["sender"][1:])].append(int(value))
    for sender in senders:
        there = sorted(found[sender.k])
        assert len(there) == len(set(there)), f"sender {sender.k}: a report is there twice"
        # The one behind the last "ok" may have been taken without an answer.
        assert there in (list(range(1, sender.accepted + 1)), list(range(1, sender.accepted + 2))), sender.k
    print(f"{KILLS} kills, {accepted()} accepted, {sum(s.repeated for s in senders)} of them repeated")
