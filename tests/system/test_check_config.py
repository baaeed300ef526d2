"""What `check-config` finds that is right in the configuration and missing on the machine: in one list, with what comes of it.

The agent runs without all of it and tries again, so these are warnings; who only sees "good" looks for the mistake elsewhere.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from support.builds import program

ROOT = os.getuid() == 0
USER = 65534 if ROOT else os.getuid()  # whom the state folder belongs to, and the service runs as
REPORT = "reports: [{report: event, type: a}]"


@pytest.fixture
def till():
    """A machine whose agent was set up, below a folder that everybody may enter."""
    folder = Path(tempfile.mkdtemp(prefix="bl-check-", dir="/tmp"))
    folder.chmod(0o755)
    state = folder / "state"
    state.mkdir()
    for name, mode in (("ca.pem", 0o644), ("certificate.pem", 0o644), ("key.pem", 0o600), ("open", 0o644), ("shut", 0o600)):
        (folder / name).write_text("secret\n")
        (folder / name).chmod(mode)
    for name in ("key.pem", "state"):
        os.chown(folder / name, USER, -1)
    for name, mode in (("closed", 0o700), ("read-only", 0o555), ("logs", 0o755)):
        (folder / name).mkdir()
        (folder / name).chmod(mode)
    for name, mode in (("shut.log", 0o600), ("open.log", 0o644)):
        (folder / "logs" / name).write_text("")
        (folder / "logs" / name).chmod(mode)
    yield folder
    shutil.rmtree(folder)


def check(folder, more=""):
    """(warnings, what stands on stdout) of a configuration that is right."""
    config = folder / "agent.yaml"
    config.write_text("device: {id: dev-1, site: shop, part: 3}\n" + ("" if "broker:" in more else
                      "broker: {host: localhost, port: 8883, ca: ca.pem, certificate: certificate.pem, key: key.pem}\n")
                      + ("" if "state_dir:" in more else "state_dir: state\n") + more.replace("HERE", str(folder)) + "\n")
    done = subprocess.run([program("branchline-agent"), "check-config", config], capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, done.stderr
    return done.stderr.replace(str(folder), "HERE").splitlines(), done.stdout


SOCKET = "the socket is not opened, and tried again every minute"
SLOW = "does not lie on a file system that answers at once (`types` may name one); nothing is read"
SECRET = "the probe is unknown until it can be read"

ALWAYS = [
    ("inlets: {steps: {group: no-such-group}}",
     f'inlets.steps.group: this machine has no group "no-such-group"; {SOCKET}'),
    ("inlets: {http: {listen: HERE/state/h.sock, group: no-such-group}}",
     f'inlets.http.group: this machine has no group "no-such-group"; {SOCKET}'),
    ("inlets: {steps: {socket: HERE/none/deeper/steps.sock}}",
     f"inlets.steps.socket: HERE/none: No such file or directory; {SOCKET}"),
    ("inlets: {statsd: {listen: ['unixstream:///none/deeper/statsd.sock']}}",
     f"inlets.statsd.listen: /none: No such file or directory; {SOCKET}"),
    ("local: {listen: HERE/none/deeper/page.sock}", f"local.listen: HERE/none: No such file or directory; {SOCKET}"),
    ("inlets: {http: {listen: '127.0.0.1:9481', token_file: HERE/token}}",
     "inlets.http.token_file: secret HERE/token: No such file or directory; every report is refused until it can be read"),
    ("inlets: {drop: {folders: [{name: orders, path: HERE/none, %s}]}}" % REPORT,
     "inlets.drop orders: path: HERE/none: No such file or directory; no file is read until it can be"),
    ("inlets: {drop: {folders: [{name: orders, path: HERE/ca.pem, %s}]}}" % REPORT,
     "inlets.drop orders: path: HERE/ca.pem is no folder; no file is read"),
    # Nor where the table of mounts does not say where a path leads, as on a share of the network.
    ("inlets: {drop: {folders: [{name: orders, path: HERE/logs/../logs, %s}]}}" % REPORT,
     f"inlets.drop orders: path: HERE/logs/../logs {SLOW}"),
    ("samplers: {logs: {watch: [{name: till, path: HERE/logs/../logs/a.log, match: a}]}}",
     f"samplers.logs till: path: HERE/logs/../logs/a.log {SLOW}"),
    ("inlets: {loglines: {watch: [{name: till, path: HERE/none/till.log, patterns: [{match: a, map: {report: event, type: a}}]}]}}",
     "inlets.loglines till: path: HERE/none: No such file or directory; nothing is read until it is there"),
    ("samplers: {logs: {watch: [{name: till, path: HERE/none/till.log, match: a}]}}",
     "samplers.logs till: path: HERE/none: No such file or directory; nothing is read until it is there"),
    ("probes: [{name: api, url: 'https://a/', ca_file: none.pem}]",
     f"probes api: ca_file: HERE/none.pem: No such file or directory; {SECRET}"),
    ("probes: [{name: api, url: 'https://a/', auth: bearer, secret_file: open}]",
     f"probes api: secret_file: secret HERE/open can be read by others (mode 644); make it 0600; {SECRET}"),
    ("broker: {host: localhost, port: 8883, ca: none.pem, certificate: certificate.pem, key: key.pem}",
     "broker.ca: HERE/none.pem: No such file or directory; there is no link until it can be read; sampling goes on"),
    ("state_dir: HERE/none/deeper", "state_dir: HERE/none: No such file or directory; the agent does not start"),
]

# Root may read all of it, and its service's user may not.
AS_ANOTHER = [
    ("inlets: {steps: {group: root}}", 'inlets.steps.group: user WHO is not in group "root"; '
     'the socket is not opened, unless the service manager adds it'),
    ("inlets: {steps: {socket: HERE/read-only/steps.sock}}",
     f"inlets.steps.socket: user WHO may not write to HERE/read-only; {SOCKET}"),
    ("inlets: {drop: {folders: [{name: orders, path: HERE/closed, %s}]}}" % REPORT,
     "inlets.drop orders: path: user WHO may not read HERE/closed; no file is read until it can be"),
    ("inlets: {drop: {folders: [{name: orders, path: HERE/read-only, %s}]}}" % REPORT,
     "inlets.drop orders: path: user WHO may not write to HERE/read-only; no file is read until it can be"),
    ("inlets: {loglines: {watch: [{name: till, path: HERE/logs/shut.log, patterns: [{match: a, map: {report: event, type: a}}]}]}}",
     "inlets.loglines till: path: user WHO may not read HERE/logs/shut.log; nothing of it is read until it may be"),
    ("probes: [{name: api, url: 'https://a/', auth: bearer, secret_file: shut}]",
     f"probes api: secret_file: secret HERE/shut: Permission denied; {SECRET}"),
]


@pytest.mark.parametrize("config, said", [pytest.param(c, s, id=s.split(":")[0] + str(n)) for n, (c, s) in enumerate(ALWAYS)])
def test_what_this_machine_lacks_is_warned_of_with_what_comes_of_it(till, config, said):
    warnings, out = check(till, config)
    assert warnings == [f"warning: {said}"]
    assert out.endswith(", with 1 warning\n")


@pytest.mark.skipif(not ROOT, reason="only root can look as another user")
@pytest.mark.parametrize("config, said", [pytest.param(c, s, id=s.split(":")[0] + str(n)) for n, (c, s) in enumerate(AS_ANOTHER)])
def test_root_is_told_what_its_service_would_find(till, config, said):
    warnings, _ = check(till, config)
    assert warnings == [f"warning: {said.replace('WHO', 'nobody')}"]


@pytest.mark.parametrize("config", [
    "",
    "inlets: {steps: {socket: /run/branchline-none/steps.sock}}",  # a service manager makes it with the service
    "inlets: {steps: {enabled: no, group: no-such-group}}",
    "samplers: {logs: {watch: [{name: till, path: HERE/logs/comes-later.log, match: a}]}}",
    "inlets: {loglines: {enabled: no, watch: [{name: till, path: HERE/none/till.log, "
    "patterns: [{match: a, map: {report: event, type: a}}]}]}}",
    "inlets: {statsd: {listen: ['127.0.0.1:8125']}}",
    "state_dir: HERE/not-yet",
])
def test_nothing_is_said_of_what_is_there_switched_off_or_made_later(till, config):
    warnings, out = check(till, config)
    assert warnings == [] and out.endswith("0 probes)\n")


def test_all_of_it_is_one_list(till):
    warnings, out = check(till, "samplers: {logs: {watch: [{name: a, path: HERE/none/a.log, match: a}]}}\n"
                          "inlets: {steps: {group: no-such-group}}\n"
                          "probes: [{name: api, url: 'https://a/', auth: bearer, secret_file: open}]")
    assert [line.split(":")[1].strip() for line in warnings] == ["probes api", "inlets.steps.group", "samplers.logs a"]
    assert out.endswith(", with 3 warnings\n")
