"""What an agent says of itself and what it uses of its link: a real agent, broker and collector."""

from support.wait import wait_for


def report_of(org, device):
    return org.api("GET", f"/devices/{device}")["report"]


def test_an_agent_says_what_is_still_to_come(organisation):
    org = organisation.start()
    org.tool("site", "add", "shop")
    agent = org.add_agent("shop", "till")
    agent.start()
    wait_for(lambda: report_of(org, agent.device) is not None, 20, "a report is there", agent.process.log)
    report = report_of(org, agent.device)
    assert report["spool"] == org.api("GET", f"/devices/{agent.device}")["spool"]
    assert set(report["backlog"]) == {"events", "probes", "host"}
    assert all(report["backlog"][s] is not None for s in report["backlog"])
    assert report["clock"]["source"] in ("ntp", "centre") and report["link"]["connections"] == 1
