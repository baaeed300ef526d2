"""The demo's sites and the identities of their agents, made with the public tools as anybody would.

Can be cut off anywhere and run again: it goes on with what is there.
"""

import re
import subprocess

from places import SITES, write_json

AGENT = """
# Written once by the demo of provisioning/quickstart; change it as you like.
interval: 5s
probes:
  - name: demo-api
    url: http://127.0.0.1:{api}/health?site={site}
    interval: 10s
    timeout: 3s
"""


def _run(*command):
    return subprocess.run([str(part) for part in command], text=True, capture_output=True,
                          timeout=60, check=True).stdout


def _ids(text):
    return {line.split()[0] for line in text.splitlines() if line.strip()}


def _identity(folder, site, tool, agent):
    """A registered device, and its certificate in the agent's folder."""
    state = ("--state", folder.state)
    if site.id not in _ids(_run(tool, "site", "list", *state)):
        _run(tool, "site", "add", site.name, "--id", site.id, "--zone", site.zone,
             "--region", site.region, *state)
    if site.device not in _ids(_run(tool, "device", "list", *state)):
        _run(tool, "device", "add", site.id, "till", "--id", site.device, *state)
    else:
        _run(tool, "device", "issue", site.device, *state)
    file = folder.state / "devices" / f"{site.device}.yaml"
    _run(agent, "setup", file, "--dir", folder.agent(site))
    file.unlink()


def _route(text, site, ports):
    """The way to the broker leads through the site's relay; the probe goes to the demo's API."""
    text = re.sub(r'^  host: .*$', '  host: "127.0.0.1"', text, count=1, flags=re.M)
    text = re.sub(r"^  port: \d+$", f"  port: {ports[site.id]}", text, count=1, flags=re.M)
    return re.sub(r"http://127\.0\.0\.1:\d+/health", f"http://127.0.0.1:{ports['api']}/health", text)


def enrol(folder, ports, tool, agent):
    for site in SITES:
        config, done = folder.agent(site) / "agent.yaml", folder.agent(site) / "enrolled"
        if not done.exists():
            _identity(folder, site, tool, agent)
            text = config.read_text().split("\n# Written once by the demo")[0]
            config.write_text(text + AGENT.format(api=ports["api"], site=site.id))
            write_json(done, site.device)
        before = config.read_text()
        after = _route(before, site, ports)
        if after != before:
            config.write_text(after)
