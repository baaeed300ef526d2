"""Prometheus exporters that nobody here wrote, read by a real agent: what it keeps is what another reader makes of their
pages, to the last digit, and what an exporter does not say any more is unknown.
"""

import http.server
import json
import shutil
import subprocess
import threading
import urllib.request

import pytest

from support import exposition
from support.builds import program
from support.spooled import definitions, spooled
from support.wait import free_port, wait_for

NODE_EXPORTER = shutil.which("prometheus-node-exporter")
QUIET = "".join(f"  {name}: {{enabled: no}}\n" for name in (
    "cpu", "memory", "disk", "network", "pressure", "tcp", "time", "sensors", "kernel", "uptime", "self"))


class Agent:
    """Without a centre: what it keeps is judged by its spool."""

    def __init__(self, folder, processes, exporters, more=""):
        self.state, self.config, self.processes = folder / "state", folder / "agent.yaml", processes
        self.config.write_text(
            f"device: {{id: dev-1, site: shop, part: 3}}\nbroker: {{host: 127.0.0.1, port: {free_port()}}}\n"
            f"state_dir: state\ninterval: 1s\n{more}samplers:\n{QUIET}"
            f"inlets: {{scrape: {{exporters: {json.dumps(exporters)}}}}}\n")
        self.start()

    def start(self):
        self.process = self.processes.start("agent", [program("branchline-agent"), "run", "--config", self.config])

    def close(self):
        """Ends it; the spool is whole then: a start cuts what the run before left open."""
        self.process.stop()
        self.config.write_text(self.config.read_text().partition("inlets:")[0])
        self.start()
        self.process.wait_log("steps are taken", 20, 2)
        self.process.stop()
        return self.state / "spool.db"


@pytest.fixture
def recorder():
    """Hands on the pages of .target and keeps them in .pages, in order; 404 without a target."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            page = None
            if self.server.target is not None:
                with urllib.request.urlopen(self.server.target, timeout=30) as answer:
                    page, kind = answer.read(), answer.headers["Content-Type"]
            self.send_response(404 if page is None else 200)
            if page is not None:
                self.server.pages.append(page.decode())
                self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.target, server.pages = None, []
    server.url = f"http://127.0.0.1:{server.server_port}/metrics"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def number(value):
    return None if value != value or abs(value) == float("inf") else value


def check_pages(pages, spool, source):
    """What was kept is what stood on the first pages, in order; the last ones may not have been taken in."""
    taken = spooled(spool)
    defs = {(d.name, d.labels): d for d in definitions(spool)}
    read = [exposition.read(page, source) for page in pages]
    series = {key for page in read for key in page}
    ours = {("scrape_up", (("source", source),)), ("scrape_duration_ms", (("source", source),)),
            ("scrape_series", (("source", source),))}
    assert {key for key in taken if dict(key[1]).get("source") == source} == series | ours
    n = len(taken["scrape_up", (("source", source),)])
    assert len(pages) - 1 <= n <= len(pages)
    for key in sorted(series):
        first = next(i for i, page in enumerate(read) if key in page)
        want = [number(page[key][2]) if key in page else None for page in read[first:n]]
        assert [value for _, value in taken[key]] == want, key
        assert (defs[key].kind, defs[key].unit) == read[first][key][:2], key
        assert defs[key].interval_ms == 1000, key
    up = taken["scrape_series", (("source", source),)]
    assert [value for _, value in up] == [len(page) for page in read[:n]]


@pytest.mark.skipif(NODE_EXPORTER is None, reason="prometheus-node-exporter is not installed")
def test_node_exporter_is_kept_to_the_last_digit(tmp_path, processes, recorder):
    port = free_port()
    node = processes.start("node_exporter", [NODE_EXPORTER, f"--web.listen-address=127.0.0.1:{port}"])
    recorder.target = f"http://127.0.0.1:{port}/metrics"
    node.wait_log("Listening on", 30)
    one = Agent(tmp_path, processes, [{"name": "node", "url": recorder.url, "interval": "1s", "timeout": "60s"}])
    wait_for(lambda: len(recorder.pages) >= 3, 60, "three pages were asked for", one.process.log)
    spool = one.close()
    check_pages(recorder.pages, spool, "node")


def test_an_exporter_that_is_gone_is_unknown(tmp_path, processes, recorder):
    """Its pages come, then it answers 404, then they come again."""
    other = tmp_path / "metrics"
    other.write_text('# TYPE till_sales_total counter\ntill_sales_total{till="3"} 129.5\n')
    recorder.target = other.as_uri()
    one = Agent(tmp_path, processes, [{"name": "till", "url": recorder.url, "interval": "1s", "timeout": "60s"}])
    one.process.wait_log("exporter till is read series=1", 30)
    recorder.target = None
    one.process.wait_log("exporter till cannot be read: it answers with status 404", 30)
    recorder.target = other.as_uri()
    one.process.wait_log("exporter till is read series=1", 30, 2)
    taken = spooled(one.close())
    sales = [value for _, value in taken["till_sales_total", (("source", "till"), ("till", "3"))]]
    up = [value for _, value in taken["scrape_up", (("source", "till"),)]]
    assert set(sales) == {129.5, None} and sales[0] == 129.5
    assert up == [0 if value is None else 1 for value in sales]


def test_an_agent_that_reads_its_own_page_does_not_grow(tmp_path, processes, recorder):
    port = free_port()
    recorder.target = f"http://127.0.0.1:{port}/metrics"
    one = Agent(tmp_path, processes, [{"name": "self", "url": recorder.url, "interval": "1s", "timeout": "60s"}],
                f"local: {{listen: 127.0.0.1:{port}}}\n")
    def told():
        """The pages from the first on that has what was made of one before."""
        names = [{line.split(" ")[0] for line in page.splitlines() if not line.startswith("#")} for page in list(recorder.pages)]
        first = next((i for i, page in enumerate(names) if any('source="self"' in name for name in page)), len(names))
        return len(names) > first + 1 and names[first:]
    names = wait_for(told, 60, "two pages with what was made of one before", one.process.log)
    # Of that nothing is made.
    assert len(names[-1]) <= len(names[0]) + 5, names[-1] - names[0]
    assert not any(name.startswith("branchline_branchline_branchline_") for name in names[-1])
    taken = spooled(one.close())
    assert not [name for name, _ in taken if name.startswith("branchline_branchline_")]
