"""The clients of agent/clients, each in its own language, against one real agent: what they say is there, to the
letter and once, whatever happens to answers and to the agent.
"""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.clients import (CLIENTS, DRIVERS, LANGUAGES, SHELLS, Driver, Relay, Scripted, Short, command, environment,
                             make, missing, tag)
from support.lone import LoneAgent
from support.process import Processes
from support.wait import wait_for

ODD = '他说 "好"\\ 🚚\n= new line\ttab\rreturn '
KILLS = 50 if os.environ.get("BL_LONG") else 2

# verb, what is said, attributes; a text in angle brackets is the language's own.
REPORTS = [
    ("step_begin", {"case": "<c>", "step": "review", "process": "order"},
     {"owner": "李华", "amount": 129.5, "lines": 3, "urgent": True, "paid": False, "empty": "", "备注": ODD}),
    ("step_end", {"case": "<c>", "step": "review", "process": "order", "id": "<c>/end"},
     {"tiny": -2.5e-7, "third": 1 / 3}),
    ("step_event", {"case": "<c>", "step": ODD}, {"huge": 1e25}),
    ("step_event", {"case": "<c>"}, {}),
    ("step_event", {"case": ODD + "<c>", "process": "order", "at": "<ago>"}, {}),
    ("case", {"case": "<c>", "status": "完成", "process": "order"}, {"amount": 129.5}),
    ("event", {"type": "door.<t>"}, {"door": 'north "2"', "text": "a=b"}),
    ("metric", {"name": "queue_length", "value": "-2.5", "unit": "orders"}, {"by": "<c>", "where": "北 \\ 1"}),
    ("metric", {"name": "sold_total", "value": "12", "kind": "counter", "id": "<c>/sold"}, {"by": "<c>"}),
]
# A shell has only texts: those that look like something else are that.
TEXTS = ("event", {"type": "texts.<t>"}, {"code": "12", "answer": "true", "room": "007"})

WRONG = [  # and what is said of it
    (("event", {"type": "x"}, {"a name": "1"}), "a name is a text without space"),
    (("event", {"type": "x"}, {"a\nevent": "1"}), "a name is a text without space"),
    (("event", {"type": "x"}, {"at": "1"}), "this name has a meaning of its own: at"),
    (("event", {"type": "agent.start"}, {}), "expected a type of your own"),
    (("event", {"type": "x"}, {"bell": "\a"}), "control character 0x07"),
    (("step_begin", {"case": "", "step": "s"}, {}), "a case"),
    (("metric", {"name": "cpu_used_pct", "value": "1"}, {}), "the agent has a metric of that name itself"),
    (("event", {"type": "x"}, {"long": "v" * 5000}), "4096"),
    (("metric", {"name": "x", "value": "1e999"}, {}), "number"),
    (("step_event", {"case": "c", "at": "1000000000"}, {}), "too far back"),
]


def own(report, language, now):
    """The report of a language."""
    def fill(text):
        return text.replace("<c>", f"case-{tag(language)}").replace("<t>", tag(language)).replace(
            "<ago>", str(now - 3600))
    verb, said, attributes = report
    return verb, {k: fill(v) for k, v in said.items()}, {
        k: fill(v) if isinstance(v, str) else v for k, v in attributes.items()}


# Programs that say 100 reports at a time: from threads and forks, without waiting for one another.
CROWDS = [["/usr/bin/python3", DRIVERS / "crowd.py"], ["node", DRIVERS / "crowd.mjs"]]


class Told:
    """What every language said, what it was answered, and what the agent then had."""

    def __init__(self, folder):
        self.folder, self.now = folder, int(time.time())
        self.processes = Processes(folder)
        self.agent = LoneAgent(folder / "agent", self.processes).start()
        self.there = [language for language in LANGUAGES if missing(language) is None]
        self.answers, self.wrong, self.absent, self.awaited = {}, {}, {}, {}
        self.silent, self.repeated, self.examples, self.trouble = {}, {}, {}, {}
        try:
            with ThreadPoolExecutor(len(LANGUAGES)) as pool:
                list(pool.map(lambda language: make(language, folder), self.there))
                list(pool.map(self.talk, self.there))
            self.crowds = [self.crowd(program_) for program_ in CROWDS if shutil.which(program_[0])]
            self.end = time.time()
            self.die_in_the_middle()
            self.events, self.values = self.agent.accepted()
        finally:
            self.processes.end_all()

    def reports(self, language):
        return [own(report, language, self.now)
                for report in REPORTS + ([] if language in SHELLS else [TEXTS])]

    def talk(self, language):
        with Driver(language, self.folder, "agent/state/steps.sock") as driver:
            self.answers[language] = [driver.ask(report) for report in self.reports(language)]
            self.answers[language].append(driver.ask(self.reports(language)[1]))
            self.wrong[language] = [driver.ask(report) for report, _ in WRONG]

        self.examples[language] = [self.example(language, path) for path in ("agent/state/steps.sock", "none.sock")]

        def timed(path, **limits):
            with Driver(language, self.folder, path, **limits) as driver:
                begin = time.monotonic()
                return driver.ask(("event", {"type": "nobody"}, {})), time.monotonic() - begin
        self.absent[language] = timed("none.sock")
        self.awaited[language] = timed("none.sock", wait_ms=2000 if language in SHELLS else 1000)
        path = f"trouble-{tag(language)}.sock"
        agent = Scripted(self.folder / path)
        with Driver(language, self.folder, path, wait_ms=60000) as driver:
            answers = {name: driver.ask(("event", {"type": name}, {})) for name in agent.ANSWERS if name != "full"}
        with Driver(language, self.folder, path) as driver:
            answers["full"] = driver.ask(("event", {"type": "full"}, {}))
        self.trouble[language] = agent, answers
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:  # connects, and never answers
            with Short(self.folder / f"{tag(language)}.sock") as short:
                deaf.bind(short)
            deaf.listen(64)
            # The shell's command has a limit of its own, of 12 s.
            self.silent[language] = timed(f"{tag(language)}.sock", timeout_ms=3000)

    def example(self, language, path):
        done = subprocess.run([*command(language, self.folder)[1], f"example-{tag(language)}"], cwd=self.folder,
                              env=environment(language, path), capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def crowd(self, argv):
        done = subprocess.run([*argv, CLIENTS], cwd=self.folder, capture_output=True, text=True, timeout=120,
                              env=environment("", "agent/state/steps.sock"))
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout.strip()

    def die_in_the_middle(self):
        """The agent has every report, and dies before anybody hears so."""
        relay = Relay(self.folder / "relay.sock", self.agent)
        drivers = [Driver(language, self.folder, "relay.sock", 120000) for language in self.there]
        for driver in drivers:
            driver.say(("case", {"case": f"killed-{tag(driver.language)}"}, {"text": ODD}))
        wait_for(lambda: relay.held == len(drivers), 120, "every language's report came")
        self.agent.process.kill()
        relay.let_go.set()
        self.agent.start()
        for driver in drivers:
            self.repeated[driver.language] = driver.hear()
        self.go_on(drivers)

    def go_on(self, drivers):
        """Over the relay, which loses every first answer, while the agent dies again and again."""
        stop, self.said = threading.Event(), dict.fromkeys(self.there, 0)

        def report(driver):
            with driver:
                while not stop.is_set():
                    n = self.said[driver.language]
                    answer = driver.ask(("event", {"type": f"{tag(driver.language)}.going"}, {"n": n}))
                    assert answer in ("accepted", "repeated"), f"{driver.language}: {answer}"
                    self.said[driver.language] += 1

        with ThreadPoolExecutor(len(drivers)) as pool:
            going = [pool.submit(report, driver) for driver in drivers]

            def more_than(n):
                for one in going:
                    if one.done():
                        one.result()
                return sum(self.said.values()) > n
            try:
                for kill in range(KILLS):
                    n = sum(self.said.values()) + 7 * kill % 20
                    wait_for(lambda n=n: more_than(n), 120, "reports are accepted", self.agent.process.log)
                    self.agent.process.kill()
                    self.agent.start()
            finally:
                stop.set()
        for one in going:
            one.result()


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return Told(tmp_path_factory.mktemp("clients"))


@pytest.fixture(params=LANGUAGES)
def language(request):
    need = missing(request.param)
    if need is not None:
        pytest.skip(f"{request.param}: {need} is not installed")
    return request.param


def strict(attributes):
    """True is not 1."""
    return {name: str(value) if isinstance(value, bool) else value for name, value in attributes.items()}


def expected(report):
    verb, said, attributes = report
    if verb == "event":
        return said["type"], strict(attributes)
    given = {name: said[name] for name in ("case", "step", "status") if name in said}
    return {"case": "step.event"}.get(verb, verb.replace("_", ".")), {
        "process": said.get("process", "default"), **given, **strict(attributes)}


def test_what_is_said_is_there_to_the_letter_and_once(told, language):
    n = len(told.reports(language))
    assert told.answers[language] == ["accepted"] * n + ["accepted" if language in SHELLS else "repeated"]
    reports = told.reports(language)
    mine = [e for e in told.events if e["type"] in (f"door.{tag(language)}", f"texts.{tag(language)}") or
            str(dict(e["attrs"]).get("case", "")).endswith(f"case-{tag(language)}")]
    assert [(e["type"], strict(dict(e["attrs"]))) for e in mine] == [
        expected(report) for report in reports if report[0] != "metric"]
    # What had no id got one of its own.
    ids = [e["id"] for e in mine]
    assert ids[1] == f"case-{tag(language)}/end" and all(ids) and len(set(ids)) == len(ids)
    ago = mine[3]["boot_ms"] - mine[4]["boot_ms"]
    assert 3599000 < ago < 3601000 + 1000 * (told.end - told.now)
    values = [(name, labels, value) for name, labels, _, value in told.values
              if labels.get("by") == f"case-{tag(language)}"]
    assert values == [
        ("queue_length", {"by": f"case-{tag(language)}", "where": "北 \\ 1", "source": "socket"}, -2.5),
        ("sold_total", {"by": f"case-{tag(language)}", "source": "socket"}, 12)]


def test_what_is_wrong_is_told(told, language):
    for (report, why), answer in zip(WRONG, told.wrong[language]):
        assert answer.startswith("refused ") and why in answer, (report, answer)
        assert not [e for e in told.events if e["type"] == "x"]


def test_an_agent_that_is_not_there_is_told_at_once(told, language):
    answer, took = told.absent[language]
    assert answer.startswith("failed ") and "no agent takes reports at none.sock" in answer, answer
    assert "is it running?" in answer and "nothing was stored" in answer
    assert took < 55  # of the 60 s that a report may take


def test_an_agent_that_is_not_there_is_waited_for_as_long_as_was_said(told, language):
    answer, took = told.awaited[language]
    assert answer.startswith("failed ") and "no agent takes reports at none.sock" in answer, answer
    assert 0.9 < took < 50


def test_an_agent_that_says_nothing_is_waited_for_as_long_as_was_said(told, language):
    answer, took = told.silent[language]
    assert answer.startswith("failed ") and "whether" in answer and "say it again with" in answer, answer
    assert 2.9 < took < 60


def test_a_report_whose_answer_died_with_the_agent_is_there_once(told, language):
    # A shell does not say which of the two it was.
    assert told.repeated[language] == ("accepted" if language in SHELLS else "repeated")
    there = [e for e in told.events if dict(e["attrs"]).get("case") == f"killed-{tag(language)}"]
    assert [dict(e["attrs"])["text"] for e in there] == [ODD]


def test_an_agent_in_trouble_is_asked_again_with_the_same_id(told, language):
    agent, answers = told.trouble[language]
    again = "accepted" if language in SHELLS else "repeated"
    assert [answers[name] for name in ("later", "crowded", "slow", "odd")] == ["accepted", "accepted", again, again]
    assert [agent.asked[name] for name in ("later", "crowded", "slow", "odd", "wrong")] == [2, 2, 2, 2, 1]
    assert answers["wrong"].startswith("refused ") and 'column 8: expected a type, got "not stored"' in answers["wrong"]
    assert answers["full"].startswith("failed ") and "the disk is full" in answers["full"]
    assert agent.asked["full"] == 1
    assert all(len(ids) == 1 for ids in agent.ids.values()), agent.ids


def test_a_crowd_in_one_program_has_a_report_each(told):
    assert told.crowds[0] == "python"
    for name in told.crowds:
        there = sorted(dict(e["attrs"])["n"] for e in told.events if e["type"] == f"{name}.crowd")
        assert there == list(range(100)), name


def test_over_deaths_of_the_agent_every_report_is_there_once(told, language):
    there = sorted(dict(e["attrs"])["n"] for e in told.events if e["type"] == f"{tag(language)}.going")
    assert there == list(range(told.said[language])) != []


class Interrupted(Exception):
    pass


def test_an_answer_that_somebody_gave_up_is_not_taken_for_the_next(tmp_path, monkeypatch):
    """A signal ends a call of the Python client; then the agent answers, and another report is said."""
    monkeypatch.syspath_prepend(str(CLIENTS))
    from branchline import Client
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with Short(tmp_path / "agent.sock") as short:
        server.bind(short)
    server.listen(4)

    def interrupt(*_):
        raise Interrupted

    def serve():
        first = server.accept()[0]
        assert b"first" in first.makefile("rb").readline()
        os.kill(os.getpid(), signal.SIGUSR1)
        gone.wait(60)
        try:
            first.sendall(b"error: column 1: of the first report\n")
        except BrokenPipeError:
            pass
        second = server.accept()[0]
        if b"second" in second.makefile("rb").readline():
            second.sendall(b"ok\n")
    gone = threading.Event()
    old = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with Short(tmp_path / "agent.sock") as short, Client(short, timeout=60) as agent:
            threading.Thread(target=serve, daemon=True).start()
            with pytest.raises(Interrupted):
                agent.event("first")
            gone.set()
            assert agent.event("second") == "accepted"
    finally:
        signal.signal(signal.SIGUSR1, old)
        server.close()


def test_its_example_reports_an_order_and_goes_on_without_an_agent(told, language):
    with_agent, without = told.examples[language]
    assert with_agent == (0, "", "")
    there = [(e["type"], strict(dict(e["attrs"]))) for e in told.events
             if dict(e["attrs"]).get("case") == f"example-{tag(language)}"]
    of = {"process": "order", "case": f"example-{tag(language)}"}
    assert there == [
        ("step.begin", {**of, "step": "review", "customer": "李华", "amount": 129.5, "express": "True"}),
        ("step.end", {**of, "step": "review"}), ("step.begin", {**of, "step": "pick"}),
        ("step.end", {**of, "step": "pick"}), ("step.event", {**of, "status": "delivered"})]
    assert len([e for e in told.events if e["type"] == "shutter.opened"]) == len(told.there)
    assert without[1] == "" and without[2].count("no agent takes reports at none.sock") == 7
    assert without[0] == (1 if language in SHELLS else 0)  # a script's end is that of its last command
