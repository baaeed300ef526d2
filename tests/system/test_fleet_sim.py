"""The fleet simulator keeps what an agent keeps, and its check finds what is not in the store."""

import os
import sqlite3
import time

import pytest

from support.fleet import Fleet
from support.wait import wait_for

QUICK = ("--tick", "0.25", "--cut", "1", "--measure", "3", "--limit", "180")
LONG = os.environ.get("BL_LONG") == "1"


def nothing_went_wrong(seen):
    # Not "lost" and "failed", which are connections: the broker ends one of whom it has not heard for 45 s.
    for name in ("unsettled", "refused", "bad_messages", "dropped", "aside", "foreign", "gone"):
        assert seen[name] == 0, (name, seen)


def test_live_batches_and_backlogs_arrive_once(organisation):
    fleet = Fleet(organisation, 6, sites=2)
    seen = fleet.start(*QUICK[2:], "--tick", "10", "--cut", "10", "--measure", "5", "--backlog", "3",
                       "--variants", "4", "--split").wait()
    nothing_went_wrong(seen)
    assert seen["held"] == 6 and seen["settled_past"] == 6 * 3 * 3
    found = fleet.check()
    # Three hours each, of whom the check has looked at every value.
    assert found["check_samples"] == found["check_values"] == seen["settled_samples"] >= 6 * 3 * 36000
    assert found["check_wrong_agents"] == found["check_wrong_values"] == 0


def test_a_batch_that_is_missing_or_changed_is_found(organisation):
    fleet = Fleet(organisation, 3)
    seen = fleet.start(*QUICK, "--connects", "3").wait()
    nothing_went_wrong(seen)
    assert seen["window_samples"] >= 3 * 400 and seen["receipt_p99_ms"] > 0
    assert fleet.check()["check_wrong_agents"] == 0
    organisation.collector.stop()
    store = organisation.folder / "collector" / "telemetry.db"
    record = fleet.record.read_text()
    # Another record: one sample more, one value otherwise (another seed), a tick elsewhere.
    for line, word, change, names in (
            (2, 7, lambda n: n + 1, {"check_wrong_agents": 1, "check_wrong_values": 0}),
            (0, 1, lambda n: n + 1, {"check_wrong_agents": 3}),
            (3, 3, lambda n: n + 1, {"check_wrong_agents": 1})):
        lines = [text.split() for text in record.splitlines()]
        lines[line][word] = str(change(int(lines[line][word])))
        fleet.record.write_text("".join(" ".join(words) + "\n" for words in lines))
        found = fleet.check()
        assert {name: found[name] for name in names} == names, (line, word, found)
    fleet.record.write_text(record)
    with sqlite3.connect(store) as db:
        db.execute("UPDATE device SET name = 'somebody' WHERE name = 'agent-00001'")
    assert fleet.check()["check_wrong_agents"] == 1


def test_without_a_receipt_everything_is_offered_again(organisation):
    """The collector dies under them: no receipt comes, and after its return all is there once."""
    if not LONG:
        pytest.skip("waits for receipt deadlines of 10 s and more: BL_LONG=1")
    fleet = Fleet(organisation, 20)
    fleet.start("--tick", "0.5", "--cut", "2", "--measure", "45", "--limit", "200")
    fleet.process.wait_log("phase measure", 60)
    organisation.collector.kill()
    time.sleep(15)  # longer than the first deadline: that is what is asked for
    organisation.start_collector()
    seen = fleet.wait()
    assert seen["offered_again"] > 0 and seen["unsettled"] == 0 and seen["dropped"] == 0
    assert fleet.check(sample=20)["check_wrong_agents"] == 0


def test_agents_come_back_when_the_broker_was_away(organisation):
    if not LONG:
        pytest.skip("a minute: BL_LONG=1")
    fleet = Fleet(organisation, 20)
    fleet.start("--tick", "0.5", "--cut", "2", "--measure", "40", "--limit", "200")
    fleet.process.wait_log("phase measure", 60)
    organisation.broker.kill()
    organisation.start_broker()
    wait_for(lambda: organisation.broker.log().count("New client connected") >= 44, 60, "all are back")
    seen = fleet.wait()
    assert seen["lost"] == 20 and seen["unsettled"] == 0 and seen["dropped"] == 0
    assert fleet.check()["check_wrong_agents"] == 0
