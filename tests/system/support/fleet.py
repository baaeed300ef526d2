"""An organisation with many devices, and the simulator (tests/perf/fleet) that acts as all of them."""

import subprocess
from pathlib import Path

from .builds import program


class Fleet:
    """`agents` devices of `org`, registered from a list as an administrator would; at `sites` sites."""

    def __init__(self, org, agents, sites=1):
        self.org, self.agents = org, agents
        self.record = Path(org.folder).parent / "fleet.record"
        self.process = None
        listed = Path(org.folder).parent / "fleet.csv"
        for i in range(sites):
            org.tool("site", "add", f"Fleet {i}", "--id", f"fleet-{i}")
        with open(listed, "w", encoding="ascii") as file:
            file.write("site,name,id\n")
            file.writelines(f"fleet-{i % sites},agent {i},agent-{i:05d}\n" for i in range(agents))
        done = subprocess.run(
            [program("branchline"), "device", "add", "--file", listed, "--state", org.folder],
            capture_output=True, text=True, timeout=3600, check=False)
        assert done.returncode == 0, done.stderr

    def start(self, *options):
        """`fleet run`; its lines of figures go to the log of the process."""
        self.process = self.org.processes.start("fleet", [
            program("fleet"), "run", "--devices", self.org.folder / "devices", "--agents", self.agents,
            "--record", self.record, *options])
        return self

    def wait(self, timeout_s=600):
        """The figures by name, without their prefix."""
        code = self.process.wait(timeout_s)
        assert code == 0, self.process.log()
        return figures(self.process.log())

    def check(self, store=None, sample=20):
        """What `fleet check` finds in the collector's store."""
        done = subprocess.run(
            [program("fleet"), "check", "--store", store or self.org.folder / "collector" / "telemetry.db",
             "--record", self.record, "--sample", str(sample)],
            capture_output=True, text=True, timeout=3600, check=False)
        found = figures(done.stdout)
        assert (done.returncode == 0) == (found.get("check_wrong_agents") == 0), done.stderr
        return found


def figures(text):
    """`fleet_NAME value unit` lines."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0].startswith("fleet_"):
            found[words[0][len("fleet_"):]] = float(words[1])
    return found
