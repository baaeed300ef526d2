"""The agent's own page in Chromium, against a real agent: names that try to be HTML, both languages, an agent that falls silent."""

from pathlib import Path
from types import SimpleNamespace

from test_browser import walk
from test_local import Agent

HOSTILE = "<img src=x onerror=window.__xss=1>"


class NoFiles:
    """The agent goes on without its certificates."""
    ca = "/nonexistent/ca.pem"

    @staticmethod
    def device(_):
        return SimpleNamespace(cert="/nonexistent/cert.pem", key="/nonexistent/key.pem")


def test_the_page_at_the_machine(tmp_path, processes):
    agent = Agent(tmp_path, NoFiles, processes, extra=(
        "probes: [{name: '" + HOSTILE + "', url: 'http://127.0.0.1:1/', interval: 1s, timeout: 500ms}]\n"
        "inlets: {http: {listen: /nonexistent/a/http.sock}}\n"
        "samplers: {files: {watch: [{name: '" + HOSTILE + "', path: /etc/hostname}]}}\n")).start()
    walk({"BRANCHLINE_URL": f"http://localhost:{agent.port}"}, tmp_path, script=Path(__file__).with_name("local.mjs"))
