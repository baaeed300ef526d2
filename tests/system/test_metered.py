"""What an agent says of itself and what it uses of its link: a real agent, broker and collector.

The budget is kept in windows of ten seconds here instead of an hour; everything else is as at a site.
"""

import os
import random
import signal
import subprocess
import time
from contextlib import closing

from support.builds import program
from support.proxy import Proxy
from support.status import asked_at_its_socket
from support.steps import Reporter
from support.wait import wait_for

WINDOW_S = 10
CLASSES = ("events", "probes", "host")
LONG = bool(os.environ.get("BL_LONG"))


def report_of(org, device):
    return org.api("GET", f"/devices/{device}")["report"]


def test_an_agent_says_what_is_still_to_come(organisation):
    org = organisation
    org.tool("site", "add", "shop")
    agent = org.add_agent("shop", "till")
    agent.start()
    wait_for(lambda: report_of(org, agent.device) is not None, 20, "a report is there", agent.process.log)
    report = report_of(org, agent.device)
    assert report["spool"] == org.api("GET", f"/devices/{agent.device}")["spool"]
    assert set(report["backlog"]) == {"events", "probes", "host"}
    assert all(report["backlog"][s] is not None for s in report["backlog"])
    assert report["clock"]["source"] in ("ntp", "centre") and report["link"]["connections"] == 1
    assert report["budget"] is None


# ---- a budget ----


def noise(rng, n):
    return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=n))


def report_steps(agent, first, n, rng):
    with Reporter(agent.folder / "state" / "steps.sock") as reporter:
        for case in range(first, first + n):
            reporter.say(f"step event {case} process=order note={noise(rng, 400)}")
            if case % 50 == 49 or case == first + n - 1:
                for _ in range(case % 50 + 1 if n > 1 else 1):
                    answer = reporter.hear()
                    assert answer.startswith("ok"), answer


def stored_events(org, device):
    """Case -> when the centre had it, of what is there now."""
    items = org.api("GET", f"/devices/{device}/events?limit=1000")["items"]
    return [i for i in items if i["type"].startswith("step")]


def window():
    return int(time.time() // WINDOW_S)


def test_the_budget_holds_while_what_is_allowed_flows(organisation):
    """A backlog of events several windows large, host samples without an hour of the day."""
    org = organisation
    org.tool("site", "add", "shop")
    budget = 96 * 1024  # a window
    zone_hour = time.gmtime().tm_hour
    hours = f"{(zone_hour + 3) % 24:02}:00-{(zone_hour + 4) % 24:02}:00"
    metered = (f"metered:\n  bytes_per_hour: {budget * 3600 // WINDOW_S}\n  window: {WINDOW_S}s\n  zone: UTC\n"
               f"  classes: {{host: {{hours: \"{hours}\"}}}}\n")
    agent = org.add_agent("shop", "till", "interval: 1s\n" + metered)
    rng = random.Random(5)
    with closing(Proxy(org.broker_port)) as proxy:
        proxy.stall()
        agent.through(proxy.port).start()
        wait_for(lambda: (agent.folder / "state" / "steps.sock").exists(), 10, "steps are taken", agent.process.log)
        report_steps(agent, 0, 4800 if LONG else 1800, rng)  # some 400 bytes each that do not compress
        proxy.resume()
        wait_for(lambda: agent.status()["uplink"]["state"] == "ready", 30, "it delivers", agent.process.log)
        state = agent.status()["meter"]
        # A window that setting the clock cuts short, as learning the time may, has its part of the budget.
        assert 0 < state["budget"]["window_bytes"] <= budget and "host" in state["budget"]["held"]
        assert state["budget"]["classes"]["host"]["opens_in_ms"] > 3600000

        # Live events while the backlog is paced: on the board within seconds.
        relayed, first = proxy.relayed_bytes, window()
        said, seen, case, spent = {}, {}, 5000, []
        while window() <= first + (6 if LONG else 1):
            spent.append(asked_at_its_socket(agent.folder / "state")["meter"]["budget"])
            if len(said) == len(seen):
                report_steps(agent, case, 1, rng)
                said[case], case = time.monotonic(), case + 1
            for item in stored_events(org, agent.device):
                number = int(item["attrs"]["case"])
                if number in said and number not in seen:
                    seen[number] = time.monotonic() - said[number]
            time.sleep(0.05)  # the pace of looking
        relayed, windows = proxy.relayed_bytes - relayed, window() - first + 1
        waits = agent.status()["spool"]["streams"]["events"]["waiting_batches"]
        print(f"relayed in {windows} windows: {relayed}, budget {budget}, at most {max(b['used_bytes'] for b in spent)} in"
              f" one; live events after {[round(s, 1) for s in seen.values()]} s")
        assert waits > 0, "there was no backlog left to hold back"
        # By the agent's own word in each window, where what the other side says or is told again may come on top; by the
        # relay's, which counts no headers, in all of them. What it passes on may have been paid for in the window before:
        # it does not stand still for a whole one.
        assert all(b["used_bytes"] <= b["window_bytes"] + budget // 10 for b in spent), spent
        assert budget // 2 < relayed <= (windows + 1) * budget, (relayed, windows)
        assert seen and max(seen.values()) < 2 * WINDOW_S, "live events waited behind the backlog"

        wait_for(lambda: agent.status()["meter"]["budget"]["window_bytes"] == budget, 3 * WINDOW_S,
                 "a whole window has the whole budget", agent.process.log)

        # Host was held: nothing of it came, and the centre is told why.
        streams = agent.status()["spool"]["streams"]
        assert streams["host"]["receipted_contiguous"] == 0
        assert "host waits: it may go in" in text_status(agent)
        budget_seen = report_of(org, agent.device)["budget"]
        assert "host" in budget_seen["held"] and budget_seen["opens_unix_ms"] > time.time() * 1000

        # Its hours begin (by another configuration): what was held back comes.  What only stands in
        # the socket's buffer is no class's yet, or the classes would be more than their sum.
        proxy.stall()
        agent.config.write_text(agent.config.read_text().replace(metered, ""))
        agent.process.signal(signal.SIGHUP)
        # A link whose other end has been silent for long is given up: nothing is under way any more then.
        handed_over = wait_for(lambda: (s := asked_at_its_socket(agent.folder / "state")) and (
            s["uplink"]["in_flight_bytes"] > 0 or s["link"]["state"] != "up") and s, 20, "something is handed over",
            agent.process.log)
        for month in handed_over["meter"]["months"]:
            assert sum(month[k + "_bytes"] for k in CLASSES) <= month["out_bytes"], "a class has what has not left"
        proxy.resume()
        wait_for(lambda: agent.status()["spool"]["streams"]["host"]["receipted_contiguous"] > 0, 20,
                 "host samples come", agent.process.log)
        agent.stop()
        # What the kernel counted: what the relay passed, and headers. It is there when the agent is dead, too.
        counted = carried(agent.status())
        assert proxy.relayed_bytes * 0.98 < counted < proxy.relayed_bytes * 1.35 + 20000
    months = org.api("GET", f"/devices/{agent.device}/usage")["items"]
    assert all(m["out_bytes"] == sum(m[k + "_bytes"] for k in (*CLASSES, "other")) for m in months), months
    assert budget < sum(m["in_bytes"] + m["out_bytes"] for m in months) <= counted


def carried(state):
    return sum(m["in_bytes"] + m["out_bytes"] for m in state["meter"]["months"])


def test_what_was_spent_outlives_kill(organisation):
    org = organisation
    org.tool("site", "add", "shop")
    agent = org.add_agent("shop", "till", "interval: 1s\nmetered: {bytes_per_hour: 100MiB}\n").start()
    wait_for(lambda: (agent.folder / "state" / "agent.sock").exists(), 10, "it can be asked", agent.process.log)
    wait_for(lambda: carried(agent.status()) > 5000, 20, "a handshake is counted", agent.process.log)
    before = agent.status()
    ticks = before["sampling"]["ticks"] + 2
    wait_for(lambda: agent.status()["sampling"]["ticks"] >= ticks, 10, "it is booked with a tick", agent.process.log)
    agent.kill()
    dead = agent.status()
    assert dead["daemon"] == "dead" and carried(dead) >= carried(before)
    agent.start()
    wait_for(lambda: agent.status().get("daemon") == "running" and agent.status()["link"]["state"] == "up", 20,
             "it is up again", agent.process.log)
    after = agent.status()
    assert carried(after) > carried(dead)
    # Unless the hour has just ended: then a new budget began.
    if after["meter"]["budget"]["ends_in_ms"] < before["meter"]["budget"]["ends_in_ms"]:
        assert after["meter"]["budget"]["used_bytes"] > before["meter"]["budget"]["used_bytes"]


def text_status(agent):
    return subprocess.run([program("branchline-agent"), "status", "--config", agent.config],
                          capture_output=True, text=True, timeout=20).stdout
