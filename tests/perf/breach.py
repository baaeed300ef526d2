"""From the moment at which a rule's condition became true to the letter at the mail server.

The whole chain: a step at the branch, the agent's cut, the broker, ingest, evaluation, outbox, SMTP. One
order begins every few seconds and is not done within its limit; the deadline is the event time that counts.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from support.centre import Centre
from support.oracle import silence
from support.pki import Pki
from support.wait import wait_for

FIGURES = {"breach_to_mail_p99_ms": "ms"}

BREACHES = int(os.environ.get("BL_PERF_BREACHES", "40"))
LIMIT_MS = 2000
# Not in step with the cuts, so that breaches fall anywhere between two of them.
EVERY_S = 4.3


def begin_cases(agent, n):
    begun = time.monotonic()
    for i in range(n):
        wait_for(lambda: time.monotonic() >= begun + i * EVERY_S, 60)
        agent.step("begin", "--step", "pick", "--case", f"c-{i}", "--process", "order")


def session(centre):
    org = centre.org
    centre.mail.start()
    org.tool("site", "add", "Perf")
    org.define(processes=[{"id": "order", "name": "Order"}],
               rules=[{"id": "late", "name": "Late", "kind": "case_open", "process": "order",
                       "limit_ms": LIMIT_MS, "channels": ["ops"]}])
    agent = org.add_agent("perf", "one", config=silence()).start()
    wait_for(lambda: org.api("GET", "/overview")["sites"][0]["state"] == "up", 60, "the agent is up",
             agent.process.log)
    begin_cases(agent, BREACHES)
    wait_for(lambda: len(centre.mail.of("page")) >= BREACHES, 180, "every breach is told", org.collector.log)
    became_true = {i["subject"]: i["begin_unix_ms"]
                   for i in org.api("GET", "/incidents?rule=late&limit=500")["items"]}
    took = []
    for subject, at in became_true.items():
        (letter,) = [x for x in centre.mail.of("page") if f"Case {subject.split('/')[1]} of" in x.text]
        took.append(letter.at * 1000 - at)
    return sorted(took)


def measure(names):
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        centre = Centre(Path(folder), Pki(Path(folder) / "pki"))
        try:
            took = session(centre)
        finally:
            centre.close()
    print(f"perf: {len(took)} breaches: least {took[0]:.0f} ms, median {took[len(took) // 2]:.0f} ms,"
          f" largest {took[-1]:.0f} ms", file=sys.stderr)
    return {"breach_to_mail_p99_ms": took[min(len(took) - 1, int(len(took) * 0.99))]}
