"""The demo beside an organisation, faster than life: two sites whose orders become cases, late ones
mails, failures of their API incidents; a link that is cut, and what is known when it is back.
Also what `branchline define apply` says of files that are wrong.
"""

import json
import socket
import subprocess
import sys
import time

import pytest

from support.builds import SOURCE, program
from support.org import Organisation
from support.wait import free_port, wait_for

PROGRAM = ["/usr/bin/python3", "-B", SOURCE / "provisioning" / "demo"]
TEMPLATES = sorted((SOURCE / "provisioning" / "templates").glob("*.json"))
SITES = {"demo-shanghai": ("上海演示店", "Asia/Shanghai"), "demo-berlin": ("Berlin Demo", "Europe/Berlin")}
FRESH_S = 60  # the least that the collector takes

pytest.importorskip("aiosmtpd", reason="the demo's package python3-aiosmtpd is not installed")

sys.path.insert(0, str(SOURCE / "provisioning" / "demo"))


def demo(*args, check=True):
    done = subprocess.run([str(part) for part in (*PROGRAM, *args)], capture_output=True, text=True,
                          timeout=120)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


class Demo:
    """An organisation with the demo, put up as quickstart does."""

    def __init__(self, folder, processes):
        self.org = Organisation(folder, processes)
        self.state = self.org.folder
        lines = demo("ports", "--state", self.state).stdout.split("\n")
        ports = dict(line.split() for line in lines if line)
        self.org.tool("init", "--mail-host", "127.0.0.1", "--mail-port", ports["mail"],
                      "--mail-security", "plain", "--mail-from", ports["from"])
        config = self.state / "collector" / "collector.yaml"
        config.write_text(config.read_text()
                          + f"notice:\n  fresh: {FRESH_S}s\n  digest_quiet: 5s\n")
        self.org.start()
        self.enrol()
        self.agents = {
            site: processes.start(f"agent-{site}", [program("branchline-agent"), "run", "--config",
                                                    self.state / "demo" / site / "agent.yaml"])
            for site in SITES}
        self.program = processes.start(
            "demo", [*PROGRAM, "run", "--state", self.state, "--agent", program("branchline-agent"),
                     "--broker", f"127.0.0.1:{self.org.broker_port}", "--pace", "0.1",
                     "--fail-after", "0", "--fail-for", "3600"])
        self.program.wait_log("the demo runs")

    def enrol(self):
        demo("enrol", "--state", self.state, "--tool", program("branchline"), "--agent",
             program("branchline-agent"), "--limit", "10", "--language", "en")

    def tool(self, *args, check=True):
        return self.org.tool("demo", *args, check=check)

    def api(self, path):
        return self.org.api("GET", path)["items"] if "?" in path else self.org.api("GET", path)

    def site(self, site):
        return {s["id"]: s for s in self.api("/overview")["sites"]}[site]

    def orders(self):
        return json.loads((self.state / "demo" / "orders.json").read_text())

    def mails(self):
        return self.tool("mail", "100").stdout.split("---- ")

    def mail_with(self, *words):
        return [mail for mail in self.mails() if all(word in mail for word in words)]

    def incident(self, rule, subject):
        found = [i for i in self.api(f"/incidents?rule={rule}&limit=500")
                 if subject in i["subject"] + "@" + i["site"]]
        return found[0] if found else None

    def log(self):
        return (self.program.log() + self.org.collector.log()[-4000:]
                + "".join(agent.log()[-2000:] for agent in self.agents.values())
                + self.tool("status", check=False).stdout)


def test_orders_alarms_and_a_cut_link(tmp_path, processes):
    it = Demo(tmp_path, processes)

    def wait(what, seconds, condition):
        return wait_for(condition, seconds, what, it.log)

    changed = tmp_path / "sooner.json"
    changed.write_text('{"rules": [{"id": "demo-r2-api-failures", "for": 1}]}')
    assert "changed   rule     demo-r2-api-failures, version 2" in it.org.tool(
        "define", "apply", changed).stdout
    it.enrol()
    listed = it.org.tool("define", "list", "rules").stdout
    assert [line for line in listed.splitlines() if "demo-r2-api-failures" in line and "version 2" in line], (
        "a later start took a person's change back: " + listed)

    for site, (name, zone) in SITES.items():
        # Its state is "down" when the newest of the probe's runs failed: known, that is.
        wait(f"{site} is on the board and known", 90, lambda: it.site(site)["state"] in ("up", "down"))
        assert (it.site(site)["name"], it.site(site)["zone"]) == (name, zone)

        def completed():
            return [c for c in it.api(f"/cases?site={site}&limit=500")
                    if c["status"] == "completed" and c["end_unix_ms"] is not None]
        case = wait(f"an order of {site} is complete", 60, completed)[0]
        steps = it.api(f"/cases/{case['no']}")["steps"]
        assert [step["step"] for step in steps] == ["review", "picking", "shipping"]

    wait("the first late order of Berlin is paged", 60,
         lambda: it.mail_with("BE-000001", "Subject: [Alarm"))

    # Order 17 of a site is late, as its number says, and every sixteenth after it: the next one that has not begun. It
    # begins and ends while nobody hears it.
    late_n = next(n for n in range(17, 10**6, 16) if n > it.orders()["last"]["demo-berlin"])
    late_case = f"BE-{late_n:06}"
    wait(f"Berlin's order {late_n - 1} begins", 90, lambda: it.orders()["last"]["demo-berlin"] >= late_n - 1)
    it.tool("offline", "Berlin Demo", "10m")
    assert it.incident("demo-r1-order-late", late_case) is None, "the link was cut too late"
    wait("Berlin is unknown", 30, lambda: it.site("demo-berlin")["state"] == "unknown")
    assert it.site("demo-shanghai")["state"] in ("up", "down")
    assert "link cut until" in it.tool("status").stdout
    orders = wait(f"order {late_n} is through", 90, lambda: (o := it.orders())["last"]["demo-berlin"] >= late_n
                  and late_case not in o["open"]["demo-berlin"] and o)
    ended = orders["last"]["demo-berlin"]
    wait("API failures at Shanghai are paged", 150,
         lambda: it.mail_with("上海演示店", "API failure rate", "Subject: [Alarm"))
    # Old by now: what arrives later must not page.
    old = time.monotonic() + FRESH_S
    wait("it is an old story", FRESH_S + 30, lambda: time.monotonic() > old)
    assert it.incident("demo-r1-order-late", late_case) is None
    assert it.orders()["last"]["demo-berlin"] > ended, "the orders of the cut site went on"

    it.tool("offline", "demo-berlin", "0s")
    wait("Berlin is known again", 90, lambda: it.site("demo-berlin")["state"] in ("up", "down"))
    late = wait("what happened meanwhile is known", 60,
                lambda: (i := it.incident("demo-r1-order-late", late_case)) and i["end_unix_ms"] and i)
    assert late["state"] == "resolved"
    wait("a digest tells of it", 60, lambda: it.mail_with(late_case))
    told = it.api(f"/incidents/{late['id']}")
    assert told["notice"] == "digest"
    assert [m["kind"] for m in told["messages"]] in ([], ["digest"]), told["messages"]
    assert not it.mail_with(late_case, "Subject: [Alarm"), "somebody was paged for what was over"

    assert it.program.stop(20) == 0
    assert it.orders()["open"] == {"demo-shanghai": [], "demo-berlin": []}, it.log()


def test_offline_wants_a_demo_site_and_a_duration(tmp_path, processes):
    org = Organisation(tmp_path, processes)
    asked = org.tool("demo", "status", check=False)
    assert asked.returncode == 1 and "has no demo" in asked.stderr
    demo("ports", "--state", org.folder)
    asked = org.tool("demo", "status", check=False)
    assert asked.returncode == 1 and "does not run" in asked.stderr
    it = processes.start("demo", [*PROGRAM, "run", "--state", org.folder, "--agent",
                                  program("branchline-agent"), "--broker", f"127.0.0.1:{free_port()}"])
    it.wait_log("the demo runs")
    cases = (
        (("offline", "nowhere", "5m"), 1, 'there is no demo site "nowhere"'),
        (("offline", "demo-berlin", "5"), 2, 'expected a duration up to 24h such as 10m, got "5"'),
        (("offline", "demo-berlin", "25h"), 2, "expected a duration"),
        (("offline", "demo-berlin"), 2, "expected: demo offline SITE DURATION"),
        (("mail", "0"), 2, "expected 1 to 100"),
        (("mail", "x"), 2, "expected 1 to 100"),
        (("mail", "1", "2"), 2, "unexpected argument"),
        (("status", "--verbose"), 2, "unrecognized option"),
        (("online",), 2, "expected offline, mail or status"),
        (("mail",), 0, "no mails yet"),
        (("offline", "上海演示店", "90s"), 0, "demo-shanghai): the link is cut until"),
        (("offline", "DEMO-SHANGHAI", "0s"), 1, "there is no demo site"),
        (("offline", "berlin demo", "0s"), 0, "the link is there"),
    )
    for args, code, text in cases:
        done = org.tool("demo", *args, check=False)
        assert done.returncode == code and text in done.stdout + done.stderr, (args, done)
    assert it.stop(20) == 0


def test_ports_stay_unless_somebody_took_them(tmp_path):
    first = demo("ports", "--state", tmp_path).stdout
    assert demo("ports", "--state", tmp_path).stdout == first
    ports = dict(line.split() for line in first.splitlines())
    with socket.create_server(("127.0.0.1", int(ports["api"]))):
        second = dict(line.split() for line in demo("ports", "--state", tmp_path).stdout.splitlines())
    assert second["api"] != ports["api"]
    assert {**second, "api": 0} == {**ports, "api": 0}


def test_bad_phases_follow_from_the_seed():
    from shop import Phases

    def bad(seed):
        phases = Phases(seed, 30)
        return [phases.at(s)[0] for s in range(0, 4 * 3600, 10)]
    assert bad(1) == bad(1) and bad(1) != bad(2)
    for seed in range(20):
        runs = "".join("x" if b else " " for b in bad(seed)).split()
        assert bad(seed)[2:4] == [False, True], "the first begins after 30 s"
        assert 6 <= len(runs) <= 9
        assert all(6 * 60 - 10 <= len(run) * 10 <= 8 * 60 + 10 for run in runs[:-1]), runs


# ---- branchline define ----

@pytest.fixture(scope="module")
def shared_org(tmp_path_factory):
    """One organisation for what only defines."""
    from support.process import Processes
    folder = tmp_path_factory.mktemp("define")
    processes = Processes(folder)
    yield Organisation(folder, processes).start()
    processes.end_all()


def test_templates_apply_and_nothing_changes_the_second_time(shared_org):
    first = shared_org.tool("define", "apply", *TEMPLATES).stdout
    assert first.splitlines()[-1] == "14 created, 0 changed, 0 unchanged, 0 refused"
    again = shared_org.tool("define", "apply", *TEMPLATES).stdout
    assert again.splitlines()[-1] == "0 created, 0 changed, 14 unchanged, 0 refused"
    assert {line.split()[0] for line in again.splitlines()[:-1]} == {"unchanged"}
    listed = shared_org.tool("define", "list").stdout
    assert "operations                   off version 1" in listed, "nobody gets mail unasked"
    assert len(listed.splitlines()) == 14
    assert len(shared_org.tool("define", "list", "kpis").stdout.splitlines()) == 10


KPI = {"id": "k", "name": "K", "source": "probe", "function": "share", "condition": "value = 0"}
RULE = {"id": "r", "name": "R", "kind": "threshold", "kpi": "none", "window": "1m", "op": ">", "value": 1}
FAULTS = {
    "not JSON": ("{", ["FILE: line 1, column 1:"]),
    "a member twice": ('{"kpis": [], "kpis": []}', ["FILE: line 1,", "duplicate"]),
    "a list": ([], ["FILE: expected an object of lists: channels, processes, kpis, rules"]),
    "an unknown kind": ({"kpi": []}, ["FILE: kpi: unknown; expected channels, processes, kpis or rules"]),
    "no list": ({"rules": {}}, ["FILE: rules: expected a list"]),
    "no object": ({"rules": [5]}, ["FILE: rules[0]: expected an object"]),
    "no id": ({"rules": [{"name": "x"}]}, ["FILE: rules[0]: id: expected 1 to 63 of a-z, 0-9 and -, got none"]),
    "an id that is none": ({"kpis": [{"id": "A b"}]}, ["FILE: kpis[0]: id: expected", "got A b"]),
    "an id with a path": ({"kpis": [{"id": "../x"}]}, ["FILE: kpis[0]: id: expected"]),
    "an id twice": ({"kpis": [KPI, KPI]}, ["FILE: kpi k: stands in FILE already"]),
    "all faults at once": ({"kpi": [], "kpis": [{}, 5]},
                           ["FILE: kpi: unknown", "FILE: kpis[0]: id:", "FILE: kpis[1]: expected an object",
                            "nothing was sent: 3 faults in the files"]),
    "a field too many": ({"kpis": [{**KPI, "colour": "red"}]}, ["FILE: kpi k: colour: expected"]),
    "a wrong type": ({"rules": [{**RULE, "value": "2 %"}]}, ["FILE: rule r: value: expected a number"]),
    "an expression": ({"kpis": [{**KPI, "condition": "value = "}]},
                      ["FILE: kpi k: condition, column 9: expected"]),
    "a name that is near": ({"kpis": [{**KPI, "conditon": "value = 0"}]},
                            ["FILE: kpi k: conditon: expected", 'did you mean "condition"?']),
    "a word that is near": ({"kpis": [{**KPI, "function": "shar"}]},
                            ["FILE: kpi k: function: expected", 'did you mean "share"?']),
    "names that are not there": ({"rules": [{**RULE, "channels": ["nobody"]}]},
                                 ["FILE: rule r: kpi: expected", "FILE: rule r: channels[0]: expected"]),
    "an address": ({"channels": [{"id": "c", "name": "C", "kind": "email", "to": ["here"]}]},
                   ["FILE: channel c: to[0]: expected an e-mail address"]),
    "two definitions": ({"kpis": [{**KPI, "unit": "x" * 17}], "processes": [{"id": "p"}]},
                        ["FILE: kpi k: unit: expected", "FILE: process p: name: expected"]),
}


@pytest.mark.parametrize("what", FAULTS)
def test_define_apply_names_every_fault(shared_org, tmp_path, what):
    content, texts = FAULTS[what]
    file = tmp_path / "file.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    done = shared_org.tool("define", "apply", file, check=False)
    assert done.returncode == 1, done
    for text in texts:
        assert text.replace("FILE", str(file)) in done.stderr, done.stderr
    assert "created" not in done.stdout.replace("0 created", "")


def test_what_is_right_is_applied_beside_what_is_wrong(shared_org, tmp_path):
    file = tmp_path / "file.json"
    file.write_text(json.dumps({"kpis": [{**KPI, "id": "good-one"}, {**KPI, "id": "bad-one", "function": "x"}]}))
    done = shared_org.tool("define", "apply", file, check=False)
    assert done.returncode == 1
    assert "created   kpi      good-one, version 1" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 created, 0 changed, 0 unchanged, 1 refused"
    assert "kpi bad-one: function: expected" in done.stderr
    file.write_text(json.dumps({"kpis": [{"id": "good-one", "target": 5}]}))
    assert "changed   kpi      good-one, version 2" in shared_org.tool("define", "apply", file).stdout
    assert shared_org.api("GET", "/kpis/good-one")["condition"] == "value = 0", "what was not named stays"


def test_a_missing_file_stops_all(shared_org, tmp_path):
    good = tmp_path / "good.json"
    good.write_text(json.dumps({"kpis": [{**KPI, "id": "never-sent"}]}))
    done = shared_org.tool("define", "apply", good, tmp_path / "missing.json", check=False)
    assert done.returncode == 1 and "missing.json: read" in done.stderr
    assert "never-sent" not in shared_org.tool("define", "list").stdout
    assert shared_org.tool("define", "apply", check=False).returncode == 2
    assert shared_org.tool("define", "list", "things", check=False).returncode == 2


# ---- mail settings of an organisation ----

def test_mail_settings_reach_the_collector(tmp_path, processes):
    org = Organisation(tmp_path, processes)
    password = tmp_path / "password"
    password.write_text("secret\n")
    rendered = org.folder / "collector" / "collector.yaml"
    assert "mail:" not in rendered.read_text()
    assert f'board_url: "https://localhost:{org.board_port}"' in rendered.read_text()
    org.tool("init", "--mail-host", "mail.example", "--mail-from", "ops@branch.example", "--mail-user", "ops",
             "--mail-password-file", password, "--board-url", "https://board.example")
    text = rendered.read_text()
    for line in ('host: "mail.example"', "port: 587", "security: starttls", 'from: "ops@branch.example"',
                 'user: "ops"', f'password_file: "{password}"'):
        assert f"\n  {line}\n" in text, text
    assert 'board_url: "https://board.example"' in text
    checked = subprocess.run([program("branchline-collector"), "check-config", "--config", rendered],
                             capture_output=True, text=True, timeout=20)
    assert checked.returncode == 0, checked.stderr
    org.tool("init", "--port", str(org.board_port))
    assert rendered.read_text() == text, "settings stay"
    for args, why in (
            (("--mail-from", ""), "mail_host needs the sender's address"),
            (("--mail-user", ""), "belong together"),
            (("--mail-security", "ssl"), "expected starttls, tls or plain"),
            (("--mail-port", "0"), "expected a port"),
            (("--mail-host", "a b"), "expected a host name or an address"),
            (("--mail-from", "a\nb"), "without blanks"),
            (("--board-url", "board.example"), "expected an address such as"),
            (("--mail-password-file", "/nowhere"), "/nowhere"),
    ):
        done = org.tool("init", *args, check=False)
        assert done.returncode != 0 and why in done.stderr, (args, done)
    assert rendered.read_text() == text, "what is refused changes nothing"
    org.tool("init", "--mail-host", "")
    assert "mail:" not in rendered.read_text()
