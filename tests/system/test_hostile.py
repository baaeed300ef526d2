"""What a device that means harm, or a program gone wrong, can send: it is bounded, and counted."""

import http.client
import re
import socket

from support.org import _UnixConnection
from support.wait import wait_for

CASE_EVENTS = 1000  # of one case; more are counted, not kept


def metric(org, name):
    connection = _UnixConnection(org.folder / "collector" / "admin.sock")
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return float(re.search(rf"^branchline_{name} (\S+)$", text, re.M).group(1))


def report(agent, lines):
    with socket.socket(socket.AF_UNIX) as to:
        to.settimeout(60)
        to.connect(str(agent.folder / "state" / "steps.sock"))
        answers = to.makefile("rb")
        for at in range(0, len(lines), 16):
            some = lines[at:at + 16]
            to.sendall("".join(line + "\n" for line in some).encode())
            for line in some:
                assert answers.readline() == b"ok\n", line


def test_events_over_a_cases_cap_are_counted(organisation):
    org = organisation
    org.tool("site", "add", "North")
    agent = org.add_agent("north", "till", config="interval: 1s\n").start()
    wait_for(lambda: (agent.folder / "state" / "steps.sock").exists(), 30, "the agent takes steps",
             agent.process.log)
    report(agent, [f"step event endless n={n}" for n in range(CASE_EVENTS + 150)])
    wait_for(lambda: metric(org, "eval_step_events_refused_total") == 150, 120,
             "all events of the case are taken in or counted", org.collector.log)
    [case] = org.api("GET", "/cases")["items"]
    assert case["case"] == "endless" and case["events"] == CASE_EVENTS
