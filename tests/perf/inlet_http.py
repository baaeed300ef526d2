"""Reports by HTTP to one agent without a link: what they cost it, and what one request waits for."""

import http.client
import json
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from agent_cost import cpu_s
from steps import CONFIG, p
from support.builds import program
from support.process import Processes
from support.wait import free_port

FIGURES = {
    "http_reports_per_cpu_s": "reports/s",
    "http_p99_ms": "ms",
}

BATCH, CLIENTS, FLOOD_S, CALLS = 100, 4, 4, 2000
JSON = {"Content-Type": "application/json"}


def post(connection, reports):
    connection.request("POST", "/v1/reports", json.dumps(reports), JSON)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, text
    return text


def step(k, n):
    return {"report": "step", "phase": "event", "case": str(n), "step": "review", "process": "order", "id": f"{k}-{n}",
            "attributes": {"amount": n + 0.5, "owner": "Li Hua"}}


def flood(port, agent):
    """Several clients with batches, each report with an id; on disk when it is answered."""
    counts, until = [], time.monotonic() + FLOOD_S

    def one(k):
        n = 0
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            while time.monotonic() < until:
                assert post(connection, [step(k, n + i) for i in range(BATCH)]).count(b'"accepted"') == BATCH
                n += BATCH
        counts.append(n)

    threads = [threading.Thread(target=one, args=(k,)) for k in range(CLIENTS)]
    before = cpu_s(agent.pid)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == CLIENTS, "a client failed"
    return sum(counts) / (cpu_s(agent.pid) - before)


def calls(port):
    """One report a request, one after the other on one connection."""
    took = []
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        for n in range(CALLS):
            began = time.perf_counter()
            post(connection, step("call", n))
            took.append((time.perf_counter() - began) * 1000)
    return took


def measure(names):
    values = {}
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        port, config = free_port(), Path(folder) / "agent.yaml"
        config.write_text(CONFIG + f"inlets:\n  http:\n    listen: 127.0.0.1:{port}\n")
        processes = Processes(Path(folder))
        try:
            agent = processes.start("agent", [program("branchline-agent"), "run", "--config", config])
            agent.wait_log("reports are taken", 20)
            if "http_reports_per_cpu_s" in names:
                values["http_reports_per_cpu_s"] = flood(port, agent)
            if "http_p99_ms" in names:
                took = calls(port)
                print(f"perf: a request: median {p(took, 0.5):.2f} ms", file=sys.stderr)
                values["http_p99_ms"] = p(took, 0.99)
        finally:
            processes.end_all()
    return values
