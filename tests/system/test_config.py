"""The agent's configuration as its user meets it: one table behind options, man pages, example and print-config; files
that include others, also over a reload; and what an agent does that was told nothing but whom to talk to."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from random import Random

import pytest

from support.builds import build_folder, program
from support.seed import chance_seed
from support.status import runs, status_of
from support.wait import free_port, wait_for
from test_agent import setup_file

AGENT = Path(__file__).resolve().parents[2] / "agent"
LEAST = "device: {id: dev-1, site: shop, part: 3}\nbroker: {host: 127.0.0.1, port: PORT}\n"


def agent(*args):
    return subprocess.run([program("branchline-agent"), *args], capture_output=True, text=True, timeout=40)


# ---- one table ----

def options():
    """path: (help, expected, default or None) as `options` prints them."""
    text = agent("options").stdout
    rows = re.findall(r"^(\S+)\n    (.*)\n    (.*); (?:(required)|default: (.*))$", text, re.M)
    assert len(rows) == len(re.findall(r"^\S", text, re.M)) > 120
    return {path: (told, expected, None if required else default)
            for path, told, expected, required, default in rows}


def paths(printed):
    """{path: [(value, comment)]} of what print-config prints: a key's path by indentation, entries of a list as []."""
    found, stack = {}, []
    for line in printed.splitlines():
        body = line.replace("- ", "  ", 1) if line.lstrip().startswith("- ") else line
        indent = len(body) - len(body.lstrip())
        m = re.match(r'\s*("(?:[^"\\]|\\.)*"|[a-z_0-9]+):(?: (?! #)(.*?))?(?:  # (.*))?$', body)
        assert m, line
        in_list = line.lstrip().startswith("- ")
        while stack and stack[-1][0] >= indent:
            stack.pop()
        if stack and (in_list or stack[-1][2]):
            stack[-1] = (stack[-1][0], stack[-1][1], True)
        parts = [name + ("[]" if listed else "") for _, name, listed in stack] + [m[1]]
        found.setdefault(".".join(parts), []).append((m[2], m[3]))
        stack.append((indent, m[1], False))
    return found


def plain_roff(text):
    return text.replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")


def uncommented(text):
    return re.sub(r"^( *)# ( *(?:- )?\{?[a-z_]+:(?: .*)?)$", r"\1\2", text, flags=re.M)


def man_page(name):
    return build_folder() / "agent" / "man" / name


def test_the_man_page_has_the_keys_that_there_are():
    text = plain_roff(man_page("branchline-agent.conf.5").read_text())
    rows = re.findall(r"^\.TP\n\.B (\S+)\n(?:(.*)\.\n\.br\n)?(.*); (?:(required)|default: (.*))$", text, re.M)
    assert len(rows) == len(re.findall(r"^\.B \S+$", text.split(".SH KEYS")[1], re.M))
    told = {path: (words, expected, None if required else default)
            for path, words, expected, required, default in rows}
    assert told == options()


def test_the_man_page_has_the_commands_with_their_options():
    text = plain_roff(man_page("branchline-agent.1").read_text())
    commands = re.findall(r"^  ([a-z-]+)[ A-Z.]* {2,}\S", agent("--help").stdout.split("\nsignals")[0], re.M)
    assert len(commands) >= 10
    for command in commands:
        told = agent(command, "--help").stdout
        assert f"\n.SS {command}" in text
        if command not in ("version", "help"):
            assert told.startswith("usage:") and told in text, command
    for step in ("begin", "end", "event", "time"):
        assert agent("step", step, "--help").stdout in text


PAGES = ["branchline-agent.1", "branchline-agent.conf.5", "branchline-plugins.1", "branchline-plugins.conf.5"]


@pytest.mark.parametrize("page", PAGES)
def test_the_man_page_is_good_roff(page):
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    done = subprocess.run(["groff", "-man", "-ww", "-b", "-Tutf8", man_page(page)], capture_output=True, text=True, timeout=40)
    # Long tables of words may not fill a line; that is how it looks, not a mistake.
    wrong = [line for line in done.stderr.splitlines() if "can't break line" not in line and "cannot adjust" not in line]
    assert done.returncode == 0 and not wrong, done.stderr
    assert len(done.stdout.splitlines()) > 30


def test_the_man_pages_are_installed(tmp_path):
    done = subprocess.run(["cmake", "--install", build_folder() / "agent" / "man", "--prefix", tmp_path],
                          capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, done.stderr
    found = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert found == {f"share/man/man{page[-1]}/{page}" for page in PAGES}


def test_the_example_has_every_key_and_its_default(tmp_path):
    """With what it shows as comments every key stands in it, and with its default unless the line names that."""
    known = options()
    text = (AGENT / "agent.example.yaml").read_text()
    config, least = tmp_path / "agent.yaml", tmp_path / "least.yaml"
    config.write_text(uncommented(text))
    least.write_text(LEAST.replace("PORT", "8883"))
    shown = paths(agent("print-config", "--config", config, "--secrets").stdout)
    defaults = paths(agent("print-config", "--config", least).stdout)

    # Nothing is printed but keys, sections of them, and free keys of headers and the like.
    for path in set(shown) - set(known):
        assert any(k.startswith(path + ".") or path.startswith(k + ".") for k in known), path
    stands = {path for path, told in shown.items() if any(source and source != "default" for _, source in told)}
    lists = {path for path in known if any(k.startswith(path + "[].") for k in known)}
    missing = {path for path in set(known) - stands - lists if not path.startswith("samplers.synthetic.")}
    # What is included is shown where it belongs.
    assert missing == {"include"} and re.search(r"^# include: ", text, re.M)

    inlets = list(dict.fromkeys(path.split(".")[1] for path in known if path.startswith("inlets.")))
    assert [name for name in re.findall(r"^  (?:# )?(\w+):$", text, re.M) if name in inlets] == inlets  # the same order

    lines = text.splitlines()
    for path, ((value, source), *_) in defaults.items():
        if source != "default" or path not in stands:
            continue
        (now, where), = shown[path]
        line = lines[int(where.rsplit(":", 1)[1]) - 1]
        # "/var/lib/branchline-agent/steps.sock" is made of the state folder.
        named = (f"default: {word}" in line for word in (known[path][2], value.strip('"').rsplit("/", 1)[-1]))
        assert now == value or any(named), (path, value, now, line)


# ---- what is shown ----

def test_print_config_says_where_each_value_comes_from_and_hides_secrets(tmp_path):
    (tmp_path / "conf.d").mkdir()
    config = tmp_path / "agent.yaml"
    config.write_text(LEAST.replace("PORT", "8883") + "include: conf.d/*.yaml\nsamplers:\n  disk: {io: no}\n")
    (tmp_path / "conf.d" / "20-shop.yaml").write_text(
        "samplers:\n  network: {loopback: yes}\n  disk:\n    max_mounts: 7\nprobes:\n"
        "  - name: api\n    url: https://api.example/x?key=geheim\n"
        "    headers: {Authorization: Bearer geheim, Accept: text/html}\n    method: POST\n    body: geheim\n"
        "  - {name: mail, kind: tcp, host: mail, port: 25, tcp: {send: geheim}}\n")
    done = agent("print-config", "--config", config)
    assert done.returncode == 0, done.stderr
    told = paths(done.stdout)
    first, second = str(config), str(tmp_path / "conf.d" / "20-shop.yaml")
    assert told["broker.port"] == [("8883", f"{first}:2")]
    assert told["samplers.disk.io"] == [("false", f"{first}:5")]
    assert told["samplers.disk.max_mounts"] == [("7", f"{second}:4")]
    assert told["samplers.network.loopback"] == [("true", f"{second}:2")]
    assert told["interval"] == [("10s", "default")]
    assert [v for v, _ in told["probes[].name"]] == ['"api"', '"mail"']
    assert "geheim" not in done.stdout
    assert done.stdout.count('"***"') == 4

    everything = agent("print-config", "--config", config, "--plain", "--secrets")
    assert everything.stdout.count("geheim") == 4 and "#" not in everything.stdout
    again = tmp_path / "again.yaml"
    again.write_text(everything.stdout)
    assert agent("print-config", "--config", again, "--plain", "--secrets").stdout == everything.stdout


def test_a_configuration_in_parts_is_the_same_as_in_one_file(tmp_path):
    """The example, torn at its keys and at its samplers into files that include each other."""
    seed = chance_seed()
    print(f"BL_SEED={seed}")
    random = Random(seed)
    text = re.sub(r"^include:.*\n", "", uncommented((AGENT / "agent.example.yaml").read_text()), flags=re.M)
    blocks = re.findall(r"^\w+:.*\n(?:(?!\w).*\n)*", text, re.M)
    samplers = next(b for b in blocks if b.startswith("samplers:"))
    inner = re.findall(r"^  \w+:.*\n(?:(?!  \w).*\n)*", samplers, re.M)
    assert len(blocks) > 8 and len(inner) > 12
    blocks.remove(samplers)

    whole = tmp_path / "whole.yaml"
    whole.write_text(text)
    wanted = agent("print-config", "--config", whole, "--plain", "--secrets").stdout
    assert len(wanted.splitlines()) > 150
    for attempt in range(100 if os.environ.get("BL_LONG") else 4):
        folder = tmp_path / f"parts-{attempt}"
        (folder / "conf.d").mkdir(parents=True)
        names = ["whole.yaml"] + [f"conf.d/{n}.yaml" for n in range(random.randint(1, 6))]
        parts = {name: [] for name in names}
        for block in blocks:
            parts[random.choice(names)].append(block)
        for block in inner:
            here = parts[random.choice(names)]
            if not any(b.startswith("samplers:") for b in here):
                here.append("samplers:\n")
            at = next(i for i, b in enumerate(here) if b.startswith("samplers:"))
            here[at] += block
        # The first includes all, or each the next one.
        chain = random.random() < 0.5
        for n, name in enumerate(names):
            random.shuffle(parts[name])
            if chain and n + 1 < len(names):
                parts[name].insert(random.randint(0, len(parts[name])), f"include: {names[n + 1]}\n")
        if not chain:
            parts[names[0]].append("include: [conf.d/*.yaml]\n")
        for name in names:
            (folder / name).write_text("".join(parts[name]))
        done = agent("print-config", "--config", folder / "whole.yaml", "--plain", "--secrets")
        assert done.returncode == 0, done.stderr
        assert done.stdout.replace(str(folder), str(tmp_path)) == wanted


def test_a_conflict_names_both_places(tmp_path):
    (tmp_path / "conf.d").mkdir()
    config = tmp_path / "agent.yaml"
    config.write_text(LEAST.replace("PORT", "8883") + "include: conf.d/*.yaml\ninterval: 10s\n"
                      "probes: [{name: api, url: 'http://a/'}]\n")
    (tmp_path / "conf.d" / "a.yaml").write_text("interval: 20s\nprobes:\n  - {name: api, url: 'http://b/'}\n")
    for command in ("check-config", "print-config", "run"):
        done = agent(command, "--config", config)
        assert done.returncode == 78
        assert f"{tmp_path}/conf.d/a.yaml:1:1: interval: is set already, at {config}:4; remove one" in done.stderr
    (tmp_path / "conf.d" / "a.yaml").write_text("probes:\n  - {name: api, url: 'http://b/'}\n")
    done = agent("check-config", "--config", config)
    assert (f'{tmp_path}/conf.d/a.yaml:2:12: probes[1].name: name "api" is taken by the entry on {config}:5'
            in done.stderr), done.stderr


# ---- a running agent ----

class Running:
    def __init__(self, folder, processes, more=""):
        self.folder = folder
        self.config = folder / "agent.yaml"
        # Nobody listens there: what is sampled must not depend on it.
        self.config.write_text(LEAST.replace("PORT", str(free_port())) + more)
        self.process = processes.start("agent", [program("branchline-agent"), "run", "--config", self.config])
        wait_for(lambda: runs("--state", self.folder / "state"), 20, "the agent answers", self.process.log)

    def state(self):
        return status_of("--state", self.folder / "state")


def test_a_reload_takes_in_what_files_say_that_are_new(tmp_path, processes):
    (tmp_path / "conf.d").mkdir()
    one = Running(tmp_path, processes, "state_dir: state\ninterval: 1s\ninclude: conf.d/*.yaml\n")

    def reloaded(times):
        one.process.signal(signal.SIGHUP)
        wait_for(lambda: one.process.log().count("reloaded changed=yes") == times, 20, "it reloads", one.process.log)
        sampling = one.state()["sampling"]
        return sampling["probes"], sampling["max_series"]

    (tmp_path / "conf.d" / "b.yaml").write_text(
        "probes:\n  - {name: till, url: 'http://127.0.0.1:9/'}\nmax_series: 77\n")
    assert reloaded(1) == (1, 77)

    # One that is wrong: nothing changes, and the log says where.
    (tmp_path / "conf.d" / "c.yaml").write_text("\nmax_series: 78\nintervall: 2s\n")
    one.process.signal(signal.SIGHUP)
    wait_for(lambda: "reload refused" in one.process.log(), 20, "it refuses", one.process.log)
    log = one.process.log()
    assert f"{tmp_path}/conf.d/c.yaml:2:1: max_series: is set already, at {tmp_path}/conf.d/b.yaml:3" in log
    assert f'{tmp_path}/conf.d/c.yaml:3:1: intervall: unknown key; did you mean "interval"?' in log
    assert one.state()["sampling"]["max_series"] == 77

    # Mended, with one more and one less.
    (tmp_path / "conf.d" / "c.yaml").write_text("probes: [{name: mail, kind: tcp, host: 127.0.0.1, port: 9}]\n")
    assert reloaded(2) == (2, 77)
    (tmp_path / "conf.d" / "b.yaml").unlink()
    assert reloaded(3) == (1, 5000)


def test_a_reload_that_would_change_the_spool_is_refused(tmp_path, processes):
    """It is opened once: a key that was taken in would be shown as in force and is not."""
    other = {"max_bytes": "65MiB", "memory": "256KiB", "keep_receipted": "48h", "group": "1m"}
    assert {f"spool.{key}" for key in other} == {path for path in options() if path.startswith("spool.")}
    one = Running(tmp_path, processes, "state_dir: state\n")
    text = one.config.read_text()
    for n, (key, value) in enumerate(other.items(), 1):
        one.config.write_text(f"{text}spool: {{{key}: {value}}}\n")
        one.process.signal(signal.SIGHUP)
        wait_for(lambda: one.process.log().count("the running configuration stays: spool can only change with a restart") == n
                 or "reloaded" in one.process.log(), 20, f"{key} is refused", one.process.log)
        assert "reloaded" not in one.process.log(), key


# ---- set-up, and nothing else ----

def test_what_lies_in_conf_d_outlives_a_new_set_up(tmp_path, pki):
    folder = tmp_path / "etc"
    assert agent("setup", setup_file(tmp_path / "1", pki, 8883), "--dir", folder).returncode == 0
    (folder / "conf.d").mkdir()
    (folder / "conf.d" / "till.yaml").write_text("max_series: 77\n")
    moved = setup_file(tmp_path / "2", pki, 8884)
    assert agent("setup", moved, "--dir", folder).returncode == 0
    told = paths(agent("print-config", "--config", folder / "agent.yaml").stdout)
    assert told["broker.port"][0][0] == "8884" and told["max_series"][0][0] == "77"
    # What contradicts it is refused before anything is changed, with both places.
    done = agent("setup", setup_file(tmp_path / "3", pki, 8885, agent_yaml="max_series: 78\n"), "--dir", folder)
    assert done.returncode == 1 and "nothing was changed" in done.stderr
    assert re.search(r"conf\.d/till\.yaml:1:1: max_series: is set already, at \S*agent\.yaml:\d+;", done.stderr), done.stderr
    assert paths(agent("print-config", "--config", folder / "agent.yaml").stdout)["broker.port"][0][0] == "8884"


# What one wants to know of a till, with nothing said about it; disks and interfaces depend on the machine of the test.
ON_A_TILL = {"cpu_used_pct", "cpu_mode_pct", "load1", "memory_used_pct", "swap_used_bytes", "oom_kills_total",
             "processes_total", "tcp_established", "tcp_retransmits_total", "kernel_open_files", "time_synchronised",
             "uptime_s", "agent_resident_bytes", "agent_spool_bytes"}


def test_an_agent_that_knows_its_broker_alone_samples_what_one_wants_of_a_till(tmp_path, processes):
    one = Running(tmp_path, processes, "state_dir: state\ninterval: 1s\n")

    def series():
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(tmp_path / "state" / "agent.sock"))
            sock.sendall(b"now\n")
            return json.load(sock.makefile())["series"]

    wait_for(lambda: ON_A_TILL <= {s["name"] for s in series()}, 30, "all of it is sampled",
             lambda: f"missing: {ON_A_TILL - {s['name'] for s in series()}}\n{one.process.log()}")
    seen = series()
    # Not what a till has too, and nobody asks about.
    for label, never in (("interface", ("lo", "veth", "docker", "br-")), ("mount", ("/proc", "/sys", "/dev", "/run", "/snap")),
                         ("device", ("loop", "ram", "zram"))):
        names = [s["labels"][label] for s in seen if label in s["labels"]]
        assert not [n for n in names if n.startswith(never)], names
    assert len(seen) < 300 and not [s for s in seen if s["stream"] == "probes"]
    assert one.state()["sampling"]["refused_series"] == 0
