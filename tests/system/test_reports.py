"""What programs report beside steps: cases, events and values, by command, by datagram, of the past."""

import json
import shutil
import subprocess
import time

import pytest

from support.builds import program
from support.lone import Datagrams, LoneAgent
from support.wait import wait_for
from test_metrics import export


@pytest.fixture
def agent(tmp_path, processes):
    return LoneAgent(tmp_path / "agent", processes).start()


def attributes(event):
    return dict(event["attrs"])


def test_every_command_says_what_it_was_told(agent):
    commands = (
        ["case", "4711", "--process", "order", "--status", "completed", "--id", "r-1", "amount=129.5"],
        ["case", "begin", "--text", "n=5"],
        ["event", "door.opened", "--at", str(time.time() - 3600), "door=north 2", "open=true"],
        ["metric", "Queue.Length", "-2.5", "--unit", "orders", "lane=3"],
        ["metric", "sold_total", "7", "--kind", "counter", "--id", "r-2"],
        ["time", "--case", "4711", "--step", "export", "--", "sh", "-c", "exit 3"],
    )
    for command in commands:
        done = agent.command(*command)
        assert (done.returncode, done.stdout, done.stderr) == (3 if command[0] == "time" else 0, "", ""), command
    done = agent.command("metric", "sold_total", "7", "--kind", "counter", "--id", "r-2", "--json")
    assert json.loads(done.stdout) == {"result": "repeated", "message": None}
    done = agent.command("metric", "cpu_used_pct", "7", "--json")
    assert done.returncode == 1 and json.loads(done.stdout) == {
        "result": "refused", "message": "the agent has a metric of that name itself; give it another"}
    done = agent.command("event", "late", "--at", "2020-01-01T00:00:00Z")
    assert done.returncode == 1 and "too far back" in done.stderr
    events, values = agent.accepted()
    assert [(e["type"], e["id"], attributes(e)) for e in events] == [
        ("step.event", "r-1", {"process": "order", "case": "4711", "status": "completed", "amount": 129.5}),
        ("step.event", "", {"process": "default", "case": "begin", "n": "5"}),
        ("door.opened", "", {"door": "north 2", "open": True}),
        ("step.begin", "", {"process": "default", "case": "4711", "step": "export"}),
        ("step.end", "", {"process": "default", "case": "4711", "step": "export", "exit_code": 3})]
    ago = events[1]["boot_ms"] - events[2]["boot_ms"]
    assert 3590000 < ago < 3600000 + 60000 * len(commands)
    assert [(name, labels, value) for name, labels, _, value in values] == [
        ("queue_length", {"lane": "3", "source": "socket"}, -2.5), ("sold_total", {"source": "socket"}, 7)]


WRONG = {
    "no case": ["case"],
    "a case and a word": ["case", "4711", "review"],
    "a step of a case": ["case", "4711", "--step", "s"],
    "no type": ["event"],
    "a type of the agent": ["event", "agent.start"],
    "an attribute where the type belongs": ["event", "a=1"],
    "an attribute where the case belongs": ["case", "status=done"],
    "a label where the value belongs": ["metric", "x", "a=1", "5"],
    "no name": ["metric"],
    "no value": ["metric", "x"],
    "a value that is none": ["metric", "x", "much"],
    "an option that is none": ["metric", "x", "-v"],
    "another kind": ["metric", "x", "1", "--kind", "sum"],
    "a unit twice": ["metric", "x", "1", "--unit", "s", "unit=s"],
    "a time that is none": ["event", "x", "--at", "yesterday"],
    "time without a command": ["time", "--case", "c", "--step", "s"],
    "time at another time": ["time", "--case", "c", "--step", "s", "--at", "5", "--", "true"],
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_told_before_anybody_is_asked(name, tmp_path):
    args = WRONG[name]
    done = subprocess.run([program("branchline-agent"), args[0], "--socket", tmp_path / "none", *args[1:]],
                          capture_output=True, text=True, timeout=40)
    assert done.returncode == 64 and done.stdout == ""
    assert done.stderr.startswith("branchline-agent: ") and len(done.stderr.splitlines()) == 1, done.stderr


def test_a_datagram_is_a_line_and_has_an_answer(agent):
    with Datagrams(agent.datagrams) as program_:
        assert program_.ask("metric queue_length 12 id=d-1\n") == "ok"
        assert program_.ask("metric queue_length 12 id=d-1") == "ok repeated"
        assert program_.ask("<13>Nov 28 10:00:00 till-2: case 4711 status=done") == "ok"
        assert program_.ask("metric queue_length\nmetric x 1").startswith("error: column 20: expected text, got the control")
        assert program_.ask("v" * 5000) == "error: the datagram is longer than 4608 bytes"
        assert program_.ask(b"") .startswith("error: column 1: expected")
        # Nobody waits for anybody: what fits the kernel's queue is said, then the answers are read.
        for n in range(8):
            program_.say(f"event tick n={n}")
        assert [program_.hear() for _ in range(8)] == ["ok"] * 8
    # Who has no address says it all the same.
    if shutil.which("logger") is None:
        pytest.skip("there is no logger to write with")
    for options in (["-t", "till"], ["--rfc5424"], ["-i", "--rfc3164"]):
        done = subprocess.run(["logger", "-d", "-u", agent.datagrams, *options, f"event logged by=\"{options[0]}\""],
                              capture_output=True, text=True, timeout=40)
        assert done.returncode == 0, done.stderr
    wait_for(lambda: agent.status()["steps"]["accepted"] >= 13, 30, "what logger wrote is taken", agent.process.log)
    events, values = agent.accepted()
    assert [attributes(e)["n"] for e in events if e["type"] == "tick"] == list(range(8))
    assert [attributes(e)["by"] for e in events if e["type"] == "logged"] == ["-t", "--rfc5424", "-i"]
    assert [value for _, _, _, value in values] == [12]


def test_what_is_said_late_has_its_time_at_the_centre(organisation):
    """Values and steps of the past, in any order: each at its time, each once."""
    organisation.tool("site", "add", "North")
    one = organisation.add_agent("north", "till", config="interval: 1s\n").start()
    one.process.wait_log("steps are taken", 30)
    wait_for(lambda: one.status()["uplink"]["state"] == "ready", 60, "the agent delivers", one.process.log)
    now = int(time.time())
    socket = one.folder / "state" / "steps.sock"

    def say(*args):
        done = subprocess.run([program("branchline-agent"), *args, "--socket", socket], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    minutes = [90, 5, 1200, 60, 0]  # ago
    for n, ago in enumerate(minutes):
        # A unit that is mended on the way is the series' unit from then on.
        unit = ["--unit", "pieces" if n == 0 else "orders"] if n in (0, 2) else []
        say("metric", "queue_length", str(n), "--at", str(now - 60 * ago), "--id", f"m-{n}", *unit)
    shown = json.loads(subprocess.run([program("branchline-agent"), "top", "--json", "--state", one.folder / "state"],
                                      capture_output=True, text=True, timeout=60, check=True).stdout)
    assert [s["unit"] for s in shown["series"] if s["name"] == "queue_length"] == ["orders"]
    say("step", "end", "--case", "4711", "--step", "pick", "--process", "order", "--at", str(now - 86400))
    say("step", "begin", "--case", "4711", "--step", "pick", "--process", "order", "--at", str(now - 6 * 86400))
    one.stop()  # what is open is cut and delivered
    one.start()
    wanted = sorted(((now - 60 * ago) * 1000, n) for n, ago in enumerate(minutes))

    def samples():
        if "queue_length" not in [m["name"] for m in organisation.api("GET", "/metrics?limit=1000")["items"]]:
            return []
        rows = export(organisation, **{"metric": "queue_length", "from": (now - 90000) * 1000, "to": (now + 60) * 1000})
        return [(int(row["unix_ms"]), float(row["value"])) for row in rows]
    wait_for(lambda: len(samples()) == len(wanted), 60, "all values are at the centre",
             lambda: one.process.log() + organisation.collector.log())
    # By the centre's word for the time, as well as it came through on this machine.
    assert all(abs(t - w) <= 5000 and v == n for (t, v), (w, n) in zip(samples(), wanted)), (samples(), wanted)

    assert [m["unit"] for m in organisation.api("GET", "/metrics?limit=1000")["items"] if m["name"] == "queue_length"] == ["orders"]

    def steps():
        items = organisation.api("GET", f"/devices/{one.device}/events?limit=100")["items"]
        return {e["type"]: e["unix_ms"] for e in items if e["type"].startswith("step.")}
    wait_for(lambda: len(steps()) == 2, 60, "both steps are at the centre")
    for kind, at in (("step.begin", now - 6 * 86400), ("step.end", now - 86400)):
        assert abs(steps()[kind] - at * 1000) <= 5000, steps()
