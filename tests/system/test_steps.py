"""Steps of business processes, as programs and scripts report them: what was answered "ok" is kept
whatever happens next, and whatever else is thrown at the agent, reports go on.
"""

import grp
import json
import os
import pty
import pwd
import random
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from support.builds import program
from support.seed import chance_seed
from support.status import samples_on, status_of
from support.steps import Reporter
from support.wait import free_port, wait_for

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "contract"))
import wire_decoder  # noqa: E402

KILLS = 100 if os.environ.get("BL_LONG") else 6


def agent(*args, timeout=40, **more):
    return subprocess.run([program("branchline-agent"), *args], capture_output=True, text=True,
                          timeout=timeout, **more)


class Device:
    """An agent without a centre: what it accepted is judged by its spool."""

    def __init__(self, folder, processes, extra=""):
        self.folder = folder
        self.folder.mkdir()
        self.processes = processes
        self.config = folder / "agent.yaml"
        self.state_dir = folder / "state"
        self.socket = self.state_dir / "steps.sock"
        self.write(extra)

    def write(self, extra=""):
        self.config.write_text(
            f"device: {{id: dev-1, site: shop, part: 3}}\n"
            f"broker: {{host: 127.0.0.1, port: {free_port()}}}\n"
            f"state_dir: state\ninterval: 1s\n{extra}")

    def start(self):
        before = self.process.log().count("steps are taken") if hasattr(self, "process") else 0
        self.process = self.processes.start(
            f"agent-{self.folder.name}", [program("branchline-agent"), "run", "--config", self.config])
        self.process.wait_log("steps are taken", 20, before + 1)
        return self

    def state(self):
        return status_of("--state", self.state_dir)

    def step(self, *args, **more):
        return agent("step", *args, "--socket", self.socket, **more)

    def events(self):
        """Every step event in the spool, oldest first; ends the agent and starts it once more, since
        a start cuts what an earlier run left open."""
        if self.process.running():
            self.process.stop()
        self.start()
        self.process.stop()
        found = []
        with sqlite3.connect(f"file:{self.state_dir / 'spool.db'}?mode=ro", uri=True) as spool:
            for (message,) in spool.execute(
                    "SELECT msg FROM body JOIN batch USING (id) WHERE events > 0 ORDER BY id"):
                found += [e for e in wire_decoder.decode(message)["events"]
                          if e["type"].startswith("step.")]
        return found


def attributes(event):
    return dict(event["attrs"])


@pytest.fixture
def device(tmp_path, processes):
    return Device(tmp_path / "agent", processes)


# ---- what "ok" is worth ----

def test_what_was_answered_ok_survives_kill_9(device):
    """Several programs report while the agent is killed at any moment; whoever got no answer says
    it again with the same id. At the end every report is there once."""
    seed = chance_seed()
    print(f"seed {seed} (BL_SEED repeats it)")
    rng = random.Random(seed)
    accepted, lock, done = [], threading.Lock(), threading.Event()
    device.start()

    def report(k):
        n = 0
        while not done.is_set():
            try:
                with Reporter(device.socket) as reporter:
                    while not done.is_set():
                        answer = reporter.ask(f"step event case-{k} process=order id={k}-{n} n={n}")
                        if answer == "":
                            break  # killed under us: whether it has it is not known
                        assert answer in ("ok", "ok repeated"), answer
                        with lock:
                            accepted.append(f"{k}-{n}")
                        n += 1
            except OSError:
                continue  # nobody listens for a moment

    threads = [threading.Thread(target=report, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(KILLS):
            have, more = len(accepted), rng.randrange(1, 200)
            wait_for(lambda: len(accepted) >= have + more, 60, "reports are accepted",
                     device.process.log)
            device.process.kill()
            device.start()
    finally:
        done.set()
        for thread in threads:
            thread.join(40)
    device.process.kill()
    ids = [event["id"] for event in device.events()]
    assert len(ids) == len(set(ids)), "a report is there twice"
    assert set(accepted) <= set(ids), sorted(set(accepted) - set(ids))[:5]
    assert len(accepted) >= KILLS


def test_an_event_is_what_was_said(device):
    device.start()
    with Reporter(device.socket) as reporter:
        reporter.say("step begin 4711 审核 process=order id=r-1 owner=\"Li Hua\" amount=129.5 vip=true\n"
                     "step end 4711 审核 process=order\nstep event 4711 金额=7\n".encode())
        assert [reporter.hear() for _ in range(3)] == ["ok"] * 3
    assert device.step("event", "--case", "4711", "--step", "s", "zip=01234", "n=5").returncode == 0
    assert device.step("event", "--case", "4711", "--text", "n=5", "a= b ").returncode == 0
    got = [(e["type"], e["id"], attributes(e)) for e in device.events()]
    assert got == [
        ("step.begin", "r-1", {"process": "order", "case": "4711", "step": "审核", "owner": "Li Hua",
                               "amount": 129.5, "vip": True}),
        ("step.end", "", {"process": "order", "case": "4711", "step": "审核"}),
        ("step.event", "", {"process": "default", "case": "4711", "金额": 7}),
        ("step.event", "", {"process": "default", "case": "4711", "step": "s", "zip": "01234", "n": 5}),
        ("step.event", "", {"process": "default", "case": "4711", "n": "5", "a": " b "}),
    ]


def test_a_disk_that_cannot_be_written_is_said_and_waited_for(device):
    """Somebody holds the spool's file: an error with the reason within ten seconds, and no report is
    lost or doubled when that ends."""
    device.start()
    with Reporter(device.socket) as first, Reporter(device.socket) as second:
        assert first.ask("step event 0") == "ok"
        holder = sqlite3.connect(device.state_dir / "spool.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        answer = first.ask("step event 1 id=held")
        assert answer.startswith("error: not on disk after 8 s (") and "same id" in answer, answer
        assert time.monotonic() - began < 40
        began = time.monotonic()
        answer = second.ask("step event 2 id=refused")
        assert answer.startswith("error: not stored: "), answer
        assert time.monotonic() - began < 8, "it waited for the disk once more"
        holder.execute("ROLLBACK")
        holder.close()
        wait_for(lambda: second.ask("step event 2 id=refused").startswith("ok"), 20,
                 "reports are taken again", device.process.log)
        assert first.ask("step event 1 id=held") == "ok repeated"
    state = device.state()["steps"]
    assert state["late"] == 1 and state["not_stored"] >= 1
    assert [e["id"] for e in device.events()].count("held") == 1


def test_steps_of_two_agents_reach_the_centre_soon_and_once(organisation):
    """With a link an event need not wait for the end of a minute."""
    organisation.tool("site", "add", "North")
    agents = [organisation.add_agent("north", name, config="interval: 1s\n").start()
              for name in ("till", "depot")]
    for one in agents:
        wait_for(lambda one=one: one.status()["uplink"]["state"] == "ready", 60,
                 "the agent delivers", one.process.log)

    def steps_of(device):
        items = organisation.api("GET", f"/devices/{device}/events?limit=100")["items"]
        return [item for item in items if item["type"].startswith("step.")]
    for n, one in enumerate(agents):
        for form in ("begin", "end"):
            done = agent("step", form, "--config", one.config, "--case", "4711", "--step", f"s{n}",
                         "--process", "order", "--id", form)
            assert done.returncode == 0, done.stderr
    for one in agents:
        wait_for(lambda one=one: len(steps_of(one.device)) == 2, 30, "both steps are at the centre",
                 lambda one=one: one.process.log() + organisation.collector.log())
    for one in agents:  # a restart finds the ids again
        one.stop()
        one.start()
        one.process.wait_log("steps are taken", 20, 2)
        done = agent("step", "begin", "--config", one.config, "--case", "4711", "--step", "x",
                     "--id", "begin", "--json")
        assert json.loads(done.stdout) == {"result": "repeated", "message": None}
        done = agent("step", "event", "--config", one.config, "--case", "4711", "last=true")
        assert done.returncode == 0, done.stderr
    for one in agents:
        wait_for(lambda one=one: len(steps_of(one.device)) >= 3, 60, "the last one is at the centre")
        assert sorted(item["type"] for item in steps_of(one.device)) == [
            "step.begin", "step.end", "step.event"]


# ---- the commands ----

@pytest.mark.parametrize("form", ["", "begin", "end", "event", "time"])
def test_every_form_has_help_and_refuses_what_it_does_not_know(form):
    args = [form] if form else []
    done = agent("step", *args, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"usage: branchline-agent step {form}")
    done = agent("step", *args, "--nonsense")
    assert done.returncode == 64 and "--nonsense" in done.stderr and "--help" in done.stderr


USAGE = {
    "no form": [],
    "no case": ["begin", "--step", "s"],
    "no step": ["begin", "--case", "c"],
    "no step at the end": ["end", "--case", "c"],
    "a word that is no attribute": ["event", "--case", "c", "late"],
    "a name with a space": ["event", "--case", "c", "a b=c"],
    "no name": ["event", "--case", "c", "=c"],
    "an empty case": ["event", "--case", ""],
    "a name twice": ["event", "--case", "c", "a=1", "a=2"],
    "a name of ours": ["event", "--case", "c", "case=2"],
    "a time among the attributes": ["event", "--case", "c", "at=1790000000"],
    "an id among the attributes": ["event", "--case", "c", "id=7"],
    "a process among the attributes": ["event", "--case", "c", "process=order"],
    "a process that is no id": ["event", "--case", "c", "--process", "Order"],
    "too many attributes": ["event", "--case", "c", *(f"a{i}={i}" for i in range(40))],
    "a value that is too long": ["event", "--case", "c", "a=" + "v" * 1025],
    "no UTF-8": ["event", "--case", "c", b"a=\xe9"],
    "time without a command": ["time", "--case", "c", "--step", "s"],
    "time with nothing behind --": ["time", "--case", "c", "--step", "s", "--"],
    "time with json": ["time", "--case", "c", "--step", "s", "--json", "--", "true"],
    "time with an exit code": ["time", "--case", "c", "--step", "s", "exit_code=1", "--", "true"],
}


@pytest.mark.parametrize("name", USAGE)
def test_wrong_usage_is_told_before_anybody_is_asked(name, tmp_path):
    args = USAGE[name]
    if args and b"a=\xe9" in args:
        args = [a if isinstance(a, bytes) else a.encode() for a in args]
    elif args and "--" in args:
        args = [args[0], "--socket", str(tmp_path / "none"), *args[1:]]
    done = agent("step", *args)
    assert done.returncode == 64, (done.returncode, done.stderr)
    assert done.stderr.strip() and "column" not in done.stderr
    assert done.stdout == ""


def test_success_is_silent_and_json_says_what_it_was(device):
    device.start()
    done = device.step("begin", "--case", "1", "--step", "s", "--id", "a")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for id, result in (("a", "repeated"), ("b", "accepted")):
        done = device.step("begin", "--case", "1", "--step", "s", "--id", id, "--json")
        assert done.returncode == 0
        assert json.loads(done.stdout) == {"result": result, "message": None}


def test_who_cannot_be_told_is_named(device, tmp_path):
    def failed(*args, words):
        for extra in ((), ("--json",)):
            done = agent("step", "event", "--case", "1", *args, *extra)
            assert done.returncode == 1, done.stderr
            text = json.loads(done.stdout)["message"] if extra else done.stderr
            assert words in text and len(text.strip().splitlines()) == 1, text
    failed("--socket", device.socket, words="is it running?")
    device.write("inlets: {steps: {enabled: no}}\n")
    failed("--config", device.config, words="inlets.steps.enabled is no in")
    # Somebody listens and closes at once.
    with socket.socket(socket.AF_UNIX) as listener:
        short = tmp_path / "s"
        listener.bind(str(short))
        listener.listen(5)

        def hang_up():
            for _ in range(2):
                listener.accept()[0].close()
        thread = threading.Thread(target=hang_up)
        thread.start()
        failed("--socket", short, words="went away before it answered")
        thread.join(10)


BROKEN = {
    "an unknown key": ("inlets: {steps: {enable: no}}\n", 'did you mean "enabled"'),
    "a value out of range": ("spool: {max_bytes: 1}\n", "spool.max_bytes"),
    "half written": ("inlets: {steps: {mode: '06", "agent.yaml:"),
    "an included file that is gone": ("include: none.yaml\n", "none.yaml"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_configuration_that_is_being_edited_keeps_nobody_from_reporting(name, device):
    text, words = BROKEN[name]
    device.start()
    device.write(text)
    begin = ("step", "begin", "--case", "1", "--step", "s", "--config", device.config)
    done = agent(*begin)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert words in done.stderr and len(done.stderr.splitlines()) == 1
    done = agent(*begin, "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["result"], done.stderr) == (0, "accepted", "")
    assert words in said["warning"]
    done = agent("time", "--case", "1", "--step", "t", "--config", device.config, "--", "true")
    assert done.returncode == 0
    assert words in done.stderr and len(done.stderr.splitlines()) == 1
    device.write()
    assert len(device.events()) == 4


def test_no_agent_and_a_broken_configuration_are_both_named(device, tmp_path):
    device.write("inlets: {steps: {enable: no}}\n")
    done = agent("step", "event", "--case", "1", "--config", device.config)
    assert done.returncode == 1
    assert 'did you mean "enabled"' in done.stderr and str(device.socket) in done.stderr
    done = agent("time", "--case", "1", "--step", "t", "--config", device.config, "--",
                 "sh", "-c", "exit 3")
    assert done.returncode == 3 and len(done.stderr.splitlines()) == 1
    assert 'did you mean "enabled"' in done.stderr and "is it running?" in done.stderr


def test_a_configuration_that_was_named_and_is_missing_leads_to_no_other_agent(tmp_path):
    """The usual place may be another agent's, which would have the report."""
    for command in (("step", "event", "--case", "1"), ("event", "door.opened"), ("metric", "n", "1")):
        done = agent(*command, "--config", tmp_path / "none.yaml", "--json")
        said = json.loads(done.stdout)
        assert (done.returncode, said["result"], said.get("warning")) == (1, "failed", None), said
        assert "none.yaml" in said["message"] and "/var/lib" not in said["message"]


def test_the_configuration_names_the_socket(tmp_path, processes):
    place = tmp_path / "run" / "steps.sock"
    device = Device(tmp_path / "agent", processes,
                    f"inlets: {{steps: {{socket: {place}, mode: '0666'}}}}\n").start()
    assert agent("step", "event", "--config", device.config, "--case", "1").returncode == 0
    assert stat.S_IMODE(place.stat().st_mode) == 0o666
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o755
    assert device.state()["steps"]["socket"] == str(place)
    device.process.stop()
    assert not place.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
@pytest.mark.parametrize("options,allowed", [
    ("", False), ("mode: '0660', group: nogroup", True), ("mode: '0600', group: nogroup", False),
    ("mode: '0666'", True)])
def test_who_may_report_is_who_may_write_to_the_socket(tmp_path, processes, options, allowed):
    """Asked as nobody, of the group nogroup."""
    nobody, place = pwd.getpwnam("nobody").pw_uid, grp.getgrnam("nogroup").gr_gid
    with tempfile.TemporaryDirectory(prefix="bl-steps-") as folder:  # pytest's own are closed
        os.chmod(folder, 0o755)
        path = Path(folder) / "steps.sock"
        device = Device(tmp_path / "agent", processes,
                        f"inlets: {{steps: {{socket: {path}, {options}}}}}\n").start()

        def become():
            os.setgroups([])
            os.setgid(place)
            os.setuid(nobody)
        # Its own program may lie in a folder that nobody can enter: the socket is asked.
        ask = ("import socket; s = socket.socket(socket.AF_UNIX); "
               f"s.connect({str(path)!r}); s.sendall(b'step event 1\\n'); print(s.recv(100))")
        done = subprocess.run(["/usr/bin/python3", "-c", ask], capture_output=True, text=True,
                              timeout=20, cwd="/", preexec_fn=become)
        if allowed:
            assert done.stdout == "b'ok\\n'\n", done.stderr
        else:
            assert done.returncode != 0 and "PermissionError" in done.stderr
        device.process.stop()


TIMED = {
    "it succeeds": (["true"], 0, 0),
    "it fails": (["sh", "-c", "exit 7"], 7, 7),
    "a signal ends it": (["sh", "-c", "kill -9 $$"], 137, 137),
    "there is none": (["no-such-command-here"], 127, 127),
    "it cannot be run": (["/etc/passwd"], 126, 126),
}


def test_time_passes_the_exit_code_on_and_reports_it(device):
    device.start()
    for n, (name, (command, code, _)) in enumerate(TIMED.items()):
        done = agent("step", "time", "--socket", device.socket, "--case", str(n), "--step", "export",
                     "--process", "order", "--id", f"run-{n}", "kind=night", "--", *command)
        assert done.returncode == code, (name, done.stderr)
        assert done.stdout == ""
    got = [(e["type"], e["id"], attributes(e)) for e in device.events()]
    want = []
    for n, (_, _, code) in enumerate(TIMED.values()):
        common = {"process": "order", "case": str(n), "step": "export", "kind": "night"}
        want += [("step.begin", f"run-{n}.begin", common),
                 ("step.end", f"run-{n}.end", {**common, "exit_code": code})]
    assert got == want


def test_time_runs_the_command_whatever_the_agent_does(tmp_path):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen(5)
        for args in (["--socket", tmp_path / "none"], ["--socket", tmp_path / "silent"],
                     ["--config", tmp_path / "none.yaml"]):
            done = agent("step", "time", *args, "--case", "1", "--step", "s", "--", "sh", "-c",
                         "echo out; echo err >&2; exit 3")
            assert done.returncode == 3
            assert done.stdout == "out\n"
            lines = done.stderr.splitlines()
            assert len(lines) == 2 and "err" in lines, lines
            assert any("the command runs all the same" in line for line in lines), lines


def test_time_gives_the_command_its_input_and_its_signals(device, tmp_path):
    device.start()
    args = [program("branchline-agent"), "step", "time", "--socket", device.socket, "--case", "1",
            "--step", "s", "--"]
    done = subprocess.run([*args, "cat"], input="through\n", capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (0, "through\n")
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        ready = tmp_path / f"ready-{number}"
        with subprocess.Popen(
                [*args, "sh", "-c", f"trap 'exit {number}' TERM HUP INT; : >{ready}; while :; do sleep 0.05;"
                 " done"],
                # The tests may be run by nohup or in the background, which leave signals ignored.
                preexec_fn=lambda: signal.signal(number, signal.SIG_DFL)) as process:
            try:
                wait_for(ready.exists, 20, "the command runs")
                process.send_signal(number)
                assert process.wait(20) == number
            finally:
                process.kill()  # leaving the block waits for it, however the test went
    # A script that ignores a signal leaves it ignored for its commands; time must not change that.
    done = subprocess.run(
        [*args, "sh", "-c", "kill -TERM $$; echo still here"], capture_output=True, text=True, timeout=20,
        preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))
    assert (done.returncode, done.stdout) == (0, "still here\n")


def test_an_interrupt_before_the_command_began_is_not_lost(tmp_path):
    """While an agent that hangs is waited for, Ctrl-C goes to the whole foreground group: the command is
    not in it yet."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen(5)
        child, terminal = pty.fork()
        if child == 0:
            os.execv(program("branchline-agent"), [
                "branchline-agent", "step", "time", "--socket", str(tmp_path / "silent"), "--case", "1",
                "--step", "s", "--", "sleep", "60"])
        try:
            silent.settimeout(20)
            talking, _ = silent.accept()  # signals are held by now
            os.write(terminal, b"\x03")
            ended = wait_for(lambda: [status for pid, status in [os.waitpid(child, os.WNOHANG)] if pid],
                             20, "it ends")
            talking.close()
            assert os.waitstatus_to_exitcode(ended[0]) == 128 + signal.SIGINT
        finally:
            os.close(terminal)  # a hang-up ends what is left


# ---- among others ----

def test_a_flood_and_nonsense_disturb_nobody(device):
    """Programs gone wild: nonsense, endless lines, floods whose answers nobody reads, connections by
    the hundred. Others report all the same, and sampling goes on."""
    device.start()
    done = threading.Event()

    def repeat(one):
        def run():
            while not done.is_set():
                try:
                    one()
                except OSError:
                    pass
        return run

    def nonsense():
        with Reporter(device.socket) as reporter:
            for _ in range(50):
                reporter.say(os.urandom(300) + b"\n")
                reporter.hear()

    def endless():
        with Reporter(device.socket) as reporter:
            for _ in range(100):
                reporter.say(b"x" * 5000)

    def flood():
        with Reporter(device.socket) as reporter:
            reporter.sock.settimeout(0.2)
            while not done.is_set():
                reporter.say(b"step event flood n=1\n" * 200)

    def connections():
        for one in [Reporter(device.socket) for _ in range(20)]:
            one.sock.close()

    threads = [threading.Thread(target=repeat(one))
               for one in (nonsense, endless, flood, flood, connections)]
    for thread in threads:
        thread.start()
    try:
        with Reporter(device.socket) as calm:
            for n in range(40):
                answer = calm.ask(f"step event calm-{n} id=calm-{n}")
                assert answer == "ok", answer
        ticks = device.state()["sampling"]["ticks"]
        wait_for(lambda: device.state()["sampling"]["ticks"] >= ticks + 3, 30, "it samples on",
                 device.process.log)
    finally:
        done.set()
        for thread in threads:
            thread.join(30)
    state = device.state()
    samples_on(state["sampling"])
    assert state["spool"]["refused_samples"] == 0 and state["spool"]["refused_events"] == 0
    assert state["steps"]["bad_lines"] > 0 and state["steps"]["accepted"] >= 40
    # What those who have gone had said is taken still: hundreds of thousands of lines.
    wait_for(lambda: device.state()["steps"]["clients"] == 0, 120, "everybody has gone")
    found = {e["id"] for e in device.events()}
    assert {f"calm-{n}" for n in range(40)} <= found


def test_two_agents_do_not_take_each_others_socket(tmp_path, processes):
    place = tmp_path / "steps.sock"
    extra = f"inlets: {{steps: {{socket: {place}}}}}\n"
    first = Device(tmp_path / "first", processes, extra).start()
    second = Device(tmp_path / "second", processes, extra)
    second.process = processes.start(
        "agent-second", [program("branchline-agent"), "run", "--config", second.config])
    second.process.wait_log("another program listens there", 20)
    reasons = second.state()["health"]["reasons"]
    assert any("no steps of processes are taken" in reason for reason in reasons), reasons
    assert agent("step", "event", "--socket", place, "--case", "1").returncode == 0
    assert first.state()["steps"]["accepted"] == 1
    # SIGHUP with a place of its own: it goes there, and its counters go on.
    second.write(f"inlets: {{steps: {{socket: {tmp_path / 'own.sock'}}}}}\n")
    second.process.signal(signal.SIGHUP)
    second.process.wait_log(f"steps are taken socket={tmp_path / 'own.sock'}", 20)
    assert agent("step", "event", "--config", second.config, "--case", "1").returncode == 0
    second.write("inlets: {steps: {enabled: no}}\n")
    second.process.signal(signal.SIGHUP)
    wait_for(lambda: not (tmp_path / "own.sock").exists(), 20, "the socket is closed",
             second.process.log)
    state = second.state()
    assert state["steps"]["enabled"] is False and state["steps"]["accepted"] == 1
    assert "steps      not taken" in agent("status", "--state", second.state_dir).stdout


def test_what_is_said_when_the_agent_stops_is_answered_or_not_taken(device):
    """SIGTERM under load: no report is in the spool twice, and every "ok" is in it."""
    device.start()
    oks = []
    with Reporter(device.socket) as reporter:
        def report():
            n = 0
            try:
                while True:
                    reporter.say("".join(f"step event c id=s-{n + i}\n" for i in range(10)).encode())
                    for i in range(10):
                        answer = reporter.hear()
                        if answer == "":
                            return
                        assert answer == "ok", answer
                        oks.append(f"s-{n + i}")
                    n += 10
            except OSError:
                return
        thread = threading.Thread(target=report)
        thread.start()
        wait_for(lambda: len(oks) > 500, 60, "reports are accepted")
        assert device.process.stop() == 0
        thread.join(20)
    ids = [e["id"] for e in device.events()]
    assert len(ids) == len(set(ids)) and set(oks) <= set(ids)
