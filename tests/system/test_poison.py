"""Poison: 5,000 bad messages of a device that is let in, a batch that kills the decoder, a centre gone mad.

Nothing of it stops anything: programs live, memory stays where it was, each message is counted exactly once
under its reason, the list of them keeps its caps, and what good devices accepted arrives.
"""

import http.client
import re
import signal
import socket
import sqlite3
from collections import Counter
from contextlib import closing

from support import poison
from support.builds import build_folder, program
from support.mqtt_client import Client
from support.oracle import Spool, Store, arrive_in_full, check_values, load
from support.org import ApiError, Organisation, _UnixConnection
from support.process import clean_environment
from support.wait import wait_for

SEED = 4
ROWS, BYTES = 1000, 1 << 20  # caps of the set-aside list

# The sanitizer keeps freed memory back to find its late use; here memory is what is measured.
LEAN = clean_environment(ASAN_OPTIONS="quarantine_size_mb=1:malloc_context_size=0:detect_leaks=0")


def sanitized() -> bool:
    cache = (build_folder() / "CMakeCache.txt").read_text(encoding="utf-8")
    return re.search(r"^BL_SANITIZE:\w+=.", cache, re.M) is not None


# Measured: 2 MiB without a sanitizer, 10 with one, which surrounds every allocation.
GROWTH_KIB = 8 * 1024 * (2 if sanitized() else 1)


def rss_kib(process) -> int:
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"^VmRSS:\s+(\d+) kB", file.read(), re.M).group(1))


def metrics(org) -> str:
    connection = _UnixConnection(org.folder / "collector" / "admin.sock")
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def asides(org) -> Counter:
    """How many messages were set aside, repeats too, by reason."""
    return Counter({reason: int(float(n)) for reason, n in
                    re.findall(r'^branchline_set_aside_total\{reason="(\w+)"\} (\S+)$', metrics(org), re.M)})


def good_agent(org, name="good"):
    agent = org.add_agent("north", name)
    agent.base = agent.config.read_text() + "\n"
    agent.config.write_text(agent.base + load(20))
    return agent.start()


def client(org, agent) -> Client:
    folder = agent.folder
    return Client(org.broker_port, agent.device, folder / "ca.pem", folder / "certificate.pem", folder / "key.pem")


def part_of(org, device) -> int:
    return org.api("GET", f"/devices/{device}")["part"]


def say(agent, lines):
    """Lines over the step socket; each is on the agent's disk then."""
    wait_for(lambda: (agent.folder / "state" / "steps.sock").exists(), 30, "the agent takes steps", agent.process.log)
    with socket.socket(socket.AF_UNIX) as to:
        to.settimeout(60)
        to.connect(str(agent.folder / "state" / "steps.sock"))
        answers = to.makefile("rb")
        for line in lines:
            to.sendall(line.encode() + b"\n")
            assert answers.readline() == b"ok\n", line


def cases(org, agent) -> set:
    """The cases of its events that are stored."""
    return {e["attrs"].get("case") for e in org.api("GET", f"/devices/{agent.device}/events?limit=1000")["items"]}


# ---- G11: 5,000 bad messages ----


class Sender:
    """Sends bad messages no faster than the collector takes them in: a full queue drops, and then nothing adds up."""

    def __init__(self, org, device, to: Client):
        self.org, self.device, self.to = org, device, to
        self.part = part_of(org, device)
        self.before, self.sent = asides(org), Counter()

    def send(self, bad):
        part = (self.part + 1) % 64 if bad.wrong_part else self.part
        self.to.publish(f"bl/1/up/{part:02d}/{self.device}/{bad.leaf}", bad.payload, bad.retain)
        self.sent[bad.reason] += 1
        if self.sent.total() % 250 == 0:
            self.taken()

    def taken(self):
        """All that was sent is counted, each under its reason, and nothing else is."""
        self.to.settle()
        wait_for(lambda: (asides(self.org) - self.before).total() >= self.sent.total(), 60,
                 f"{self.sent.total()} messages are set aside",
                 lambda: f"{asides(self.org) - self.before}\n{self.org.collector.log()[-4000:]}")
        assert asides(self.org) - self.before == self.sent
        assert self.to.refused == 0


def check_caps(org):
    """The list of what was set aside has its caps; what they refused is counted."""
    with closing(sqlite3.connect(f"file:{Store(org).path}?mode=ro", uri=True)) as db:
        rows, kept = db.execute("SELECT count(*), coalesce(sum(length(payload)), 0) FROM aside").fetchone()
    assert 0 < rows <= ROWS and 0 < kept <= BYTES
    assert float(re.search(r"^branchline_set_aside_refused_total (\S+)$", metrics(org), re.M).group(1)) > 0


def test_five_thousand_bad_messages_change_nothing_but_counters(tmp_path, processes):
    org = Organisation(tmp_path, processes,
                       settings=f"store: {{ set_aside: {BYTES}, set_aside_messages: {ROWS} }}\n")
    org.start_broker()
    org.start_collector(env=LEAN)
    org.tool("site", "add", "North")
    good, bad = good_agent(org), org.add_agent("north", "bad")
    say(good, ["step event before"])
    wait_for(lambda: "before" in cases(org, good), 60, "the good agent's first batch is stored", org.collector.log)
    own, reported = bytes([0x22] * 16), {"before"}
    with client(org, bad) as to:
        sender = Sender(org, bad.device, to)
        to.publish(f"bl/1/up/{sender.part:02d}/{bad.device}/live",
                   poison.batch(own, 1, poison.events_body([b"the first"]), events=1))
        corpus = poison.corpus(SEED, 5000, own, bytes.fromhex(Spool(good).id()))
        for message in corpus[:500]:  # whatever is made once and kept is made now
            sender.send(message)
        sender.taken()
        pid, before = org.collector.pid, rss_kib(org.collector)
        most = before
        for n, message in enumerate(corpus[500:]):
            if n % 1500 == 0:  # what is reported meanwhile is stored meanwhile
                wait_for(lambda: reported <= cases(org, good), 60, f"{reported} are stored", org.collector.log)
                say(good, [f"step event at-{n}"])
                reported.add(f"at-{n}")
            sender.send(message)
            most = max(most, rss_kib(org.collector)) if n % 50 == 0 else most
        sender.taken()
        most = max(most, rss_kib(org.collector))
        print(f"seed {SEED}: {sender.sent.total()} messages, {dict(sender.sent)}, rss {before} -> {most} KiB")
        assert org.collector.running() and org.collector.pid == pid
        assert most - before <= GROWTH_KIB, f"resident memory grew from {before} to {most} KiB"
    check_caps(org)
    org.tool("requeue")  # they are as bad as before
    assert asides(org) - sender.before == sender.sent
    check_caps(org)
    # Nothing of the bad device was taken but the one whole batch; what the good one accepted arrives.
    assert org.api("GET", f"/devices/{bad.device}/series")["items"] == []
    assert [e["attrs"]["t"] for e in org.api("GET", f"/devices/{bad.device}/events")["items"]] == ["the first"]
    wait_for(lambda: reported <= cases(org, good), 60, f"{reported} are stored", org.collector.log)
    arrive_in_full(org, good, good.base)
    check_values(Store(org), good.device)
    assert asides(org) - sender.before == sender.sent


# ---- F-N12: a batch that kills the decoder ----


def test_a_batch_that_kills_the_decoder_is_set_aside_after_three_deaths(tmp_path, processes):
    """poison_collector is the collector with a decoder that aborts on the words DECODER DIES HERE."""
    org = Organisation(tmp_path, processes)
    command = [program("poison_collector"), "run", "--config", org.folder / "collector" / "collector.yaml"]
    deaths = []

    def supervise():
        if org.collector is None or not org.collector.running():
            if org.collector is not None:
                deaths.append(org.collector.wait(1))
            assert len(deaths) <= 3, org.collector.log()
            org.collector = processes.start("collector", command)
        return True

    def until(condition, what, timeout_s=120):
        def one():
            supervise()
            try:
                return condition()
            except (OSError, ApiError, http.client.HTTPException):
                return False  # between two lives
        return wait_for(one, timeout_s, what, lambda: f"deaths {deaths}\n{org.collector.log()}")

    org.start_broker()
    until(lambda: org.api("GET", "/status")["broker"]["live"] == "up", "the collector answers")
    org.tool("site", "add", "North")
    good, sick = good_agent(org), org.add_agent("north", "sick", config="interval: 1s\n").start()
    say(sick, ["step event harmless", 'step event poison note="DECODER DIES HERE"'])
    aside = until(lambda: [i for i in org.api("GET", "/set-aside")["items"] if i["device"] == sick.device],
                  "the batch is set aside")
    assert [i["reason"] for i in aside] == ["undecodable"]
    assert "died 3 times" in aside[0]["detail"]
    assert deaths == [-signal.SIGABRT] * 3
    # This version does not look into it again, whoever asks.
    said = org.tool("requeue", str(aside[0]["id"])).stdout
    again = [i for i in org.api("GET", "/set-aside")["items"] if i["device"] == sick.device]
    assert [i["detail"] for i in again] == [aside[0]["detail"]], said
    # Those three were all; the sick one and the good one go on.
    say(sick, ["step event afterwards"])
    until(lambda: "afterwards" in cases(org, sick), "what comes after it arrives")
    say(good, ["step event good"])
    until(lambda: "good" in cases(org, good), "others flow")
    arrive_in_full(org, good, good.base)
    check_values(Store(org), good.device)
    assert len(deaths) == 3


# ---- a centre gone mad ----


def test_whatever_a_centre_says_the_agent_goes_on_and_loses_nothing(tmp_path, processes):
    org = Organisation(tmp_path, processes)
    org.start_broker()
    org.start_collector()
    org.tool("site", "add", "North")
    evil = org.add_agent("north", "evil")
    with open(org.folder / "broker" / "acl", "a", encoding="utf-8") as acl:
        acl.write(f"\nuser {evil.device}\ntopic write bl/1/#\n")
    org.broker.signal(signal.SIGHUP)  # reads its lists again
    agent = org.add_agent("north", "good")
    agent.base = agent.config.read_text() + "\n"
    agent.config.write_text(agent.base + load(20))
    agent.start(env=LEAN)
    say(agent, ["step event before"])
    wait_for(lambda: "before" in cases(org, agent), 60, "the agent's first batch is stored", org.collector.log)
    pid, before, most = agent.process.pid, rss_kib(agent.process), 0
    with client(org, evil) as to:
        for n, (topic, payload, retain) in enumerate(
                poison.madness(SEED, 2000, agent.device, bytes.fromhex(Spool(agent).id()))):
            to.publish(topic, payload, retain)
            if n % 100 == 99:
                to.settle()
                accepted = Spool(agent).accepted()
                wait_for(lambda: Spool(agent).accepted() > accepted, 30, "samples are accepted", agent.process.log)
                most = max(most, rss_kib(agent.process))
        assert to.refused == 0, "the broker lets the evil one say it"
        # What the mad one left behind would frighten every agent that connects.
        to.publish(f"bl/1/down/{agent.device}/receipt", b"", True)
        to.settle()
    print(f"seed {SEED}: rss of the agent {before} -> {most} KiB")
    assert agent.process.running() and agent.process.pid == pid
    assert most - before <= GROWTH_KIB, f"resident memory grew from {before} to {most} KiB"
    org.collector.stop()
    org.start_collector()  # says the truth about itself again
    arrive_in_full(org, agent, agent.base)
    check_values(Store(org), agent.device)
    assert org.api("GET", "/gaps")["unexplained"] == 0
