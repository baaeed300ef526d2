"""The walk through the web app (run.mjs) in Chromium: against the collector with a real agent's data,
and against the stand-in, which can show what a young organisation cannot: outages, failures, hostile
names. Each check of the walk that fails is named.
"""

import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support.builds import SOURCE, program
from support.org import Organisation
from support.wait import wait_for

WALK = Path(__file__).with_name("run.mjs")
LONG = os.environ.get("BL_LONG") == "1"


def walk(environment, tmp_path, *parts, script=WALK):
    # A picture of each page costs as much as the page: BL_SHOTS=FOLDER takes them, else only where a check fails.
    shots = {"BRANCHLINE_SHOTS": os.environ["BL_SHOTS"]} if "BL_SHOTS" in os.environ else {}
    failed = tmp_path / "failed"
    done = subprocess.run(
        ["node", script, *parts], capture_output=True, text=True, timeout=1800,
        env={**os.environ, **shots, "BRANCHLINE_FAILED": str(failed),
             "BRANCHLINE_STEADY": str(program("libsteady_network.so")), **environment})
    told = "\n".join(line for line in (done.stdout + done.stderr).splitlines()
                     if "ERROR:" not in line)
    last = re.search(r"(\d+) passed, (\d+) failed, (\d+) skipped\s*$", done.stdout)
    assert last, f"the walk did not end:\n{told[-6000:]}"
    # What failed comes first: a walk is longer than what is shown of it.
    wrong = "\n".join(re.findall(r"^FAIL .*(?:\n {6}.*)*", done.stdout, re.M))
    assert last.group(2) == "0" and int(last.group(1)) > 0 and done.returncode == 0, f"{wrong[:6000]}\n\n{told[-2000:]}\nscreenshots: {failed}"
    print(told)


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass


@pytest.fixture
def shop():
    """The address of a service that a probe finds well."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()


def test_the_board_shows_a_real_agents_data(tmp_path, processes, shop):
    org = Organisation(tmp_path, processes, web_root=SOURCE / "collector" / "web" / "dist").start()
    org.tool("site", "add", "北京一店", "--id", "beijing-1", "--region", "north/beijing")
    agent = org.add_agent(
        "beijing-1", "till 1",
        config=f"interval: 1s\nprobes:\n  - {{ name: shop, url: \"{shop}\", interval: 2s, timeout: 1s }}\n").start()

    def known():
        last = {s["name"]: s["last_unix_ms"]
                for s in org.api("GET", f"/devices/{agent.device}/series")["items"]}
        return last.get("cpu_used_pct") and last.get("probe_up")
    wait_for(known, 150, "host and probe data arrive",
             lambda: agent.process.log() + org.collector.log())
    password = org.tool("user", "add", "walker", "--role", "administrator").stdout.split("password ")[1].split()[0]
    # What only the page decides, each language on each screen and what axe says of both colours, is seen at the stand-in.
    walk({"BRANCHLINE_URL": f"https://localhost:{org.board_port}", "BRANCHLINE_USER": "walker",
          "BRANCHLINE_PASSWORD": password}, tmp_path, *(() if LONG else ("--each-once", "--not", "a11y")))


# Two walks, each short enough to be repeated by itself.
@pytest.mark.parametrize("parts", (("--not", "a11y", *(("--all",) if LONG else ())), ("--only", "a11y")), ids=("uses", "access"))
def test_the_board_shows_outages_failures_and_hostile_names(tmp_path, parts):
    walk({}, tmp_path, *parts)
