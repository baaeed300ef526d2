"""Monitoring plug-ins: those of Debian, unmodified, and such as do what no plug-in should, in the process that runs them;
what it reports arrives once whatever becomes of the agent, and nothing is run that was not allowed."""

import http.server
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from support.builds import build_folder, program
from support.plugins import Agent, Plugins, Told, alive, check, inlet, place, plugins, script, writable  # noqa: F401
from support.wait import free_port, wait_for
from test_config import plain_roff, uncommented

ROOT = Path(__file__).resolve().parents[2]
DEBIAN = Path("/usr/lib/nagios/plugins")
STATES = ["ok", "warning", "critical", "unknown"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="plug-ins have to be root's, and so has this test")


# ---- those of Debian ----

def performance(text):
    """{label: (value, unit, limits ...)} read the way the guidelines write it, apart from the agent's reader."""
    data = " ".join(part for part in re.findall(r"\|([^\n]*)", text))
    return {name.strip("'"): (float(value), unit, *limits.split(";")[1:])
            for name, value, unit, limits in re.findall(r"('[^']+'|[^\s=]+)=([-0-9.]+)([^\s;]*)(\S*)", data)}


OURS = {"": ("plugin_value", 1), "%": ("plugin_pct", 1), "s": ("plugin_ms", 1000), "ms": ("plugin_ms", 1),
        "B": ("plugin_bytes", 1), "MiB": ("plugin_bytes", 1 << 20), "MB": ("plugin_bytes", 1 << 20)}


class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"x" * 5000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_the_plugins_of_debian_are_reported_as_they_are(place, processes, web):
    if not (DEBIAN / "check_load").exists():
        pytest.skip("monitoring-plugins-basic is not installed")
    commands = {
        "load": ["check_load", "-w", "1000,1000,1000", "-c", "2000,2000,2000"],
        "disk": ["check_disk", "-w", "1%", "-c", "0.5%", "-p", "/"],
        "disk-full": ["check_disk", "-w", "100%", "-c", "100%", "-p", "/"],
        "procs": ["check_procs", "-w", "0:1", "-c", "0:100000"],
        "swap": ["check_swap", "-w", "1%", "-c", "1%", "-n", "ok"],
        "users": ["check_users", "-w", "1000", "-c", "2000"],
        "http": ["check_http", "-H", "127.0.0.1", "-p", str(web)],
        "ftp": ["check_ftp", "-H", "127.0.0.1", "-p", str(free_port())],  # another name of check_tcp, which goes by it
        "tcp": ["check_tcp", "-H", "127.0.0.1", "-p", str(web)],
        "dummy": ["check_dummy", "3", 'it is "this"; and $(that)'],
        "perl": ["check_file_age", "-w", "1000000000", "-c", "2000000000", "-f", "/etc/passwd"],
    }
    one = Plugins(place, processes, "".join(check(name, DEBIAN / plugin, *args)
                                            for name, (plugin, *args) in commands.items()), allow=DEBIAN)
    assert plugins("list", "--config", one.config).returncode == 0
    same = {"load", "disk", "disk-full", "swap", "users", "dummy"}  # as text, a moment later
    still = {"disk", "disk-full", "users"}  # so are their values, nearly
    codes = {}
    for name, (plugin, *args) in commands.items():
        by_hand = subprocess.run([DEBIAN / plugin, *args], capture_output=True, text=True, timeout=50,
                                 env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})
        done = one.test(name)
        told = Told(done.stdout.split("would be reported:\n")[1].splitlines())
        codes[name] = by_hand.returncode
        (event,) = told.events(name)
        assert (event["state"], event["code"]) == (STATES[by_hand.returncode], str(by_hand.returncode)), (done, by_hand)
        assert done.returncode == 0 and "why" not in event and told.values("plugin_state") == [event["code"]]
        if name in same:
            first = by_hand.stdout.split("|")[0].split("\n")[0].strip()
            assert re.sub(r"[\d.]+", "N", event["text"]) == re.sub(r"[\d.]+", "N", first)
        for label, (value, unit, *limits) in performance(by_hand.stdout).items():
            metric, scale = OURS[unit]
            (now,) = told.values(metric, check=name, label=label)
            assert name not in still or float(now) == pytest.approx(value * scale, rel=0.2), (name, label)
            for limit, end in zip(("warn_high", "crit_high", "min", "max"), limits):
                if re.fullmatch(r"[\d.]+", end) and name in same:
                    (at,) = told.values(metric + "_limit", check=name, label=label, limit=limit)
                    assert float(at) == pytest.approx(float(end) * scale), (name, label, limit)
    assert codes == {"load": 0, "disk": 0, "disk-full": 2, "procs": 1, "swap": codes["swap"], "users": 0, "http": 0,
                     "ftp": 2, "tcp": 0, "dummy": 3, "perl": 0}


# ---- those that do what no plug-in should ----

BAD = {
    "sleeps": ("trap '' TERM HUP; echo begun; sleep 1003 & sleep 1003", "unknown", "ended after 900 ms"),
    "floods": ("exec yes 1004", "unknown", "printed more than 4096 bytes"),
    "floods-errors": ("exec yes 1004 >&2", "unknown", "printed more than 4096 bytes"),
    "silent": ("exit 0", "unknown", "printed nothing"),
    "blank": ("echo; echo ' '; exit 1", "unknown", "printed nothing"),
    "code": ("echo fine; exit 99", "unknown", "exit code 99"),
    "signal": ("echo fine; kill -SEGV $$", "unknown", "signal 11"),
    "errors": ("echo wrong >&2; exit 2", "unknown", "printed nothing"),
    "reads": ("read line; echo \"got <$line>\"", "ok", None),
    "writes": ("echo x > /etc/branchline-was-here; test -e /etc/branchline-was-here; echo \"there: $?\"", "ok", None),
    "who": ("id -u; pwd; ulimit -c; env | sort | tr '\\n' ' '; ls /proc/self/fd | tr '\\n' ' '", "ok", None),
    "memory": ("exec /usr/bin/python3 -c \"x = bytearray(200 << 20); print('got it')\"", "unknown", None),
    "files": ("exec /usr/bin/python3 -c \"open('/dev/shm/branchline-too-much', 'wb').write(b'x' * (32 << 20))\"", "unknown", None),
    "leaves": ("setsid sleep 1005 >/dev/null 2>&1 </dev/null & echo gone; exit 1", "warning", None),
    "holds": ("sleep 1006 & echo held; exit 0", "ok", None),
    "forks": ("i=0; while test $i -lt 60; do sleep 1007 & i=$((i+1)); done; echo all of them", "unknown", None),
    "late": ("echo first; sleep 0.2; echo second; echo '| a=1'; exit 2", "critical", None),
}


def test_a_plugin_that_does_what_none_should_harms_nobody(place, processes):
    one = Plugins(place, processes, "".join(
        check(name, script(place / name, text), max_output=4096, max_memory="64MiB", timeout="900ms" if name == "sleeps" else "50s")
        for name, (text, *_) in BAD.items()),
        "max_processes: 40\n", user="games")  # whose processes are counted, and no other test's
    said = {}
    for name, (_, state, why) in BAD.items():
        done = one.test(name)
        said[name] = done.stdout
        assert f'state="{state}"' in done.stdout, (name, done.stdout, done.stderr)
        assert ("because " in done.stdout) == (state == "unknown"), (name, done.stdout)
        assert why is None or why in done.stdout, (name, done.stdout)
        assert done.returncode == (1 if state == "unknown" else 0)
    for text in ("sleep 1003", "yes 1004", "sleep 1005", "sleep 1006", "sleep 1007"):
        wait_for(lambda: not alive(text), 20, f"{text} has ended", lambda: str(alive(text)))
    Path("/dev/shm/branchline-too-much").unlink(missing_ok=True)
    assert 'text="got <>"' in said["reads"]
    shown = said["floods"].split("would be reported:")[0]
    assert "bytes more" in shown and len(shown) < 2300
    assert 'text="there: 1"' in said["writes"] and not Path("/etc/branchline-was-here").exists()
    assert f'text="{pwd.getpwnam("games").pw_uid}"' in said["who"]
    assert "\n0\nHOME=/ LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin PWD=/" in said["who"] and "0 1 2 3" in said["who"]
    assert "wrong" in said["errors"] and "MemoryError" in said["memory"] and "File too large" in said["files"]
    assert 'detail="second"' in said["late"] and "plugin_value 1 " in said["late"]


# ---- what may be run ----

def test_nothing_is_run_that_is_not_allowed(place, processes):
    inside, outside = place / "plugins", place / "other"
    for folder in (inside, outside, inside / "open", place / "plugins-not"):
        folder.mkdir()
        folder.chmod(0o755)
    good = script(inside / "good", "echo ran as $0; exit 0")
    (inside / "name").symlink_to(good)
    (inside / "out").symlink_to(script(outside / "bad", "echo ran"))
    (outside / "in").symlink_to(good)
    (inside / "open").chmod(0o777)
    os.chown(script(inside / "theirs", "echo ran"), 65534, 65534)
    checks = {
        "good": (good, None),
        "name": (inside / "name", None),
        "in": (outside / "in", None),  # what it stands for is allowed
        "dots": (f"{inside}/../plugins/good", None),
        "out": (inside / "out", "neither it nor its folder is in the list"),
        "dots-out": (f"{inside}/../other/bad", "neither it nor its folder is in the list"),
        "prefix": (script(place / "plugins-not" / "x", "echo ran"), "neither it nor its folder is in the list"),
        "theirs": (inside / "theirs", "is not owned by root"),
        "group": (script(inside / "group", "echo ran", 0o775), "others than root can write"),
        "all": (script(inside / "all", "echo ran", 0o757), "others than root can write"),
        "open": (script(inside / "open" / "x", "echo ran"), f"others than root can write {inside}/open"),
        "no-exec": (script(inside / "no-exec", "echo ran", 0o644), "it is no executable file"),
        "folder": (inside / "open", "others than root can write"),
        "missing": (inside / "missing", "No such file"),
    }
    one = Plugins(place, processes, "".join(check(name, path) for name, (path, _) in checks.items()), allow=inside)
    listed = plugins("list", "--config", one.config)
    assert listed.returncode == 1
    handed_over = subprocess.run([program("branchline-agent"), "plugins", "list", "--config", one.config], capture_output=True, text=True, timeout=60)
    assert (handed_over.returncode, handed_over.stdout) == (1, listed.stdout), handed_over.stderr
    for name, (path, why) in checks.items():
        row = listed.stdout.split(f"{name}: every 0.2 s: {path}\n", 1)[1].split("every")[0]
        done = one.test(name)
        if why is None:
            assert "NOT RUN" not in row and done.returncode == 0 and "ran as" in done.stdout, (name, done.stdout)
        else:
            assert "NOT RUN" in row and why in row, (name, row)
            assert done.returncode == 1 and why in done.stdout and "text:" not in done.stdout, (name, done.stdout)
    good_only = Plugins(place, processes, check("good", good), allow=inside)
    assert plugins("list", "--config", good_only.config).returncode == 0
    nothing = one.config.with_name("nothing.yaml")
    nothing.write_text(one.config.read_text().replace(f"allow: [{inside}]\n", ""))
    assert "may not be run" in plugins("test", "good", "--config", nothing).stdout


@pytest.mark.parametrize("change, said", [
    (lambda c: c.chmod(0o666), "others than root can write it"),
    (lambda c: os.chown(c, 65534, 65534), "others than root can write it"),
    (lambda c: c.parent.chmod(0o775), "others than root can write /var/lib/branchline-plugins-"),
    (lambda c: c.write_text(c.read_text().replace("user: nobody", "user: root")), "never run as root"),
    (lambda c: c.write_text(c.read_text().replace("user: nobody", "user: no-such-user-here")), "there is no user"),
    (lambda c: c.write_text(c.read_text().replace("50s", "50 s")), "checks[0].timeout"),
    (lambda c: c.write_text(c.read_text().replace('"/var', '"var')), "the plug-in's absolute path"),
    (lambda c: c.unlink(), "No such file"),
])
def test_a_wrong_configuration_runs_nothing(place, processes, change, said):
    one = Plugins(place, processes, check("ran", script(place / "ran", "echo ran")))
    change(one.config)
    done = plugins("run", "--config", one.config)
    assert done.returncode == 78 and said in done.stderr, done.stderr


# ---- on the way to the agent ----

def test_what_is_reported_arrives_once_whatever_the_agent_does(place, processes, inlet):
    """It dies with the answer on its lips, its disk is full, it refuses; each line is there once, and in order."""
    counter = writable(place / "counter")
    plugin = script(place / "count", f"echo run >> {counter}; n=$(wc -l < {counter}); echo \"OK $n | n=${{n}}c\"; exit $((n % 2))")
    asked = []

    def answer(line):
        asked.append(line)
        n = len(asked)
        if " plugin_duration_ms " in line and "check=" in line:
            return "error: column 8: expected something else"
        if n % 11 == 5:
            return None
        return "error: not stored: the disk is full; try again later" if n == 7 else "ok"

    inlet.answer = answer
    one = Plugins(place, processes, check("count", plugin)).start()
    wait_for(lambda: len(inlet.values("plugin_total", check="count")) >= 4, 60, "four runs are reported",
             lambda: one.process.log() + "\n".join(inlet.lines))
    assert one.process.stop() == 0
    told = [int(value) for value in inlet.values("plugin_total", check="count")]
    assert told == list(range(1, len(told) + 1))
    assert inlet.repeated >= 1
    assert not inlet.values("plugin_duration_ms")
    assert "the agent refuses a report, which is left out: error: column 8" in one.process.log()
    events = inlet.events("count")
    assert [e["state"] for e in events] == [STATES[n % 2] for n in told[:len(events)]] and "before" not in events[0]
    assert all(e["before"] == STATES[(i + 2) % 2] for i, e in enumerate(events[1:], 1)) or len(events) < 2


def test_without_an_agent_the_oldest_values_go_and_the_states_stay(place, processes):
    """By a check that takes longer than its interval, and never runs twice at a time."""
    counter = writable(place / "counter")
    many = " ".join(f"v{i}=1" for i in range(120))
    lock = place / "theirs"
    lock.mkdir()
    os.chown(lock, 65534, 65534)
    plugin = script(place / "many", f"mkdir {lock}/lock || exit 3; echo run >> {counter}; n=$(wc -l < {counter}); sleep 0.3\n"
                    f"rmdir {lock}/lock; echo \"$n | {many}\"; exit $((n % 2))")
    one = Plugins(place, processes, check("many", plugin), "queue: 16KiB\n").start()
    one.process.wait_log("the oldest are dropped", 30)
    one.process.wait_log("cannot be told", 30)
    runs = len(counter.read_text().splitlines())
    wait_for(lambda: len(counter.read_text().splitlines()) >= runs + 1, 20, "it runs on", one.process.log)
    inlet = Agent(one.socket)
    try:
        wait_for(lambda: len(inlet.events("many")) >= runs, 30, "each state arrives", lambda: "\n".join(inlet.lines))
        one.process.wait_log("takes reports", 20)
        assert [e["text"] for e in inlet.events("many")[:runs]] == [str(n + 1) for n in range(runs)]
        assert {e["state"] for e in inlet.events("many")} == {"ok", "warning"}
    finally:
        assert one.process.stop() == 0
        inlet.close()


def test_a_reload_takes_in_what_is_right_and_refuses_what_is_wrong(place, processes, inlet):
    first = check("first", script(place / "first", "echo 1; exit 1")) + check("stuck", script(place / "stuck", "echo stuck; sleep 1009"),
                                                                              interval="3s", timeout="2s")
    one = Plugins(place, processes, first).start()
    one.config.chmod(0o644)
    wait_for(lambda: inlet.events("first"), 20, "the first is reported", one.process.log)
    one.write("  - {name: wrong}\n")
    one.process.signal(signal.SIGHUP)
    one.process.wait_log("what was read before holds", 20)
    before = len(inlet.values("plugin_state", check="first"))
    wait_for(lambda: len(inlet.values("plugin_state", check="first")) > before, 20, "the first goes on", one.process.log)
    one.write(first, check("second", script(place / "second", "echo 2; sleep 0.1; exit 2")))
    one.process.signal(signal.SIGHUP)
    wait_for(lambda: inlet.events("second"), 20, "the second is reported", one.process.log)
    assert len(inlet.events("first")) == 1  # its state is remembered
    wait_for(lambda: inlet.values("plugin_duration_ms", check="stuck"), 60, "the stuck one is reported", one.process.log)
    (event,) = inlet.events("stuck")
    assert event["state"] == "unknown" and event["text"] == "stuck" and "ended after 2000 ms" in event["why"]
    assert set(inlet.values("plugin_state", check="stuck")) == {"3"}
    assert one.process.stop() == 0
    wait_for(lambda: not alive(str(place / "second")), 20, "what was under way has ended")


def test_ended_by_force_it_leaves_no_plugin_behind(place, processes):
    one = Plugins(place, processes, check("long", script(place / "long", "exec sleep 1008"))).start()
    wait_for(lambda: alive("sleep 1008"), 30, "it runs", one.process.log)
    one.process.kill()
    wait_for(lambda: not alive("sleep 1008"), 20, "it has ended")


# ---- what comes along ----

def options():
    text = plain_roff((build_folder() / "agent/man/branchline-plugins.conf.5").read_text())
    rows = re.findall(r"^\.TP\n\.B (\S+)\n(?:.*\.\n\.br\n)?(.*); (?:required|default: (.*))$", text.split(".SH KEYS")[1], re.M)
    return {path: default for path, _, default in rows}


def test_the_example_has_every_key_and_is_good(place):
    known = options()
    assert len(known) >= 15
    text = (ROOT / "agent/plugins.example.yaml").read_text()
    for path in known:
        assert re.search(rf"\b{path.split('.')[-1].strip('[]')}:\s", text), path
    for path, default in known.items():
        shown = re.search(rf"^ *(?:- )?{path.split('.')[-1]}: ([\w./-]+)", text, re.M)
        assert not default or not shown or shown[1] == default, (path, default, shown)
    example = place / "plugins.yaml"
    example.write_text(uncommented(text).replace("include: [conf.d/*.yaml]", "include: [none-*.yaml]"))
    done = plugins("list", "--config", example)
    assert done.returncode in (0, 1) and "root-disk: every 60 s" in done.stdout, done.stderr


def test_the_unit_is_shut_off():
    unit = ROOT / "provisioning/systemd/branchline-plugins.service"
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=25", unit],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert stat.S_IMODE(unit.stat().st_mode) & 0o111 == 0


def system_calls(group):
    """Those of a group of systemd's, groups in it taken apart."""
    if not group.startswith("@"):
        return {group}
    told = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, timeout=60)
    rows = [line.strip() for line in told.stdout.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*(system_calls(row) for row in rows))


def allowed_calls(unit):
    """As systemd adds up its lines: the first one makes it a list of what is allowed."""
    allowed = system_calls("@default")
    for words in re.findall(r"^SystemCallFilter=(.*)$", unit.read_text(), re.M):
        named = set().union(*(system_calls(word) for word in words.lstrip("~").split()))
        allowed = allowed - named if words.startswith("~") else allowed | named
    return allowed


def test_the_unit_lets_plugins_do_what_they_do(place):
    if not (DEBIAN / "check_load").exists() or shutil.which("strace") is None:
        pytest.skip("monitoring-plugins-basic or strace is not installed")
    allowed = allowed_calls(ROOT / "provisioning/systemd/branchline-plugins.service")
    assert 200 < len(allowed) and not {"mount", "reboot", "chown", "init_module"} & allowed
    # What the process itself calls for each of them.
    assert {"setsid", "prctl", "setrlimit", "prlimit64", "close_range", "kill", "waitid", "execve", "pipe2", "dup2"} <= allowed
    for i, words in enumerate((["check_load", "-w", "9", "-c", "9"], ["check_disk", "-w", "1%"], ["check_procs", "-w", "9"],
                               ["check_ping", "-H", "127.0.0.1", "-w", "9,9%", "-c", "9,9%", "-p", "1"], ["check_icmp", "-H", "127.0.0.1"],
                               ["check_tcp", "-H", "127.0.0.1", "-p", str(free_port())], ["check_file_age", "-f", "/etc/passwd"])):
        trace = writable(place / f"trace{i}")
        subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs", "strace", "-f", "-qq",
                        "-o", trace, DEBIAN / words[0], *words[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        called = set(re.findall(r"^\d+ +([a-z_0-9]+)\(", trace.read_text(errors="replace"), re.M))
        if not called:
            pytest.skip("strace may not trace here")
        assert "execve" in called and called <= allowed, (words[0], called - allowed)
