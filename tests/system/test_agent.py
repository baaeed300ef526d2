"""The agent as its user meets it: commands, exit codes, and what it does when things go wrong.

A real Mosquitto stands between it and a stand-in for the collector (fake_centre.c), which answers
hello and receipts, and does on command what a collector may do.
"""

import http.server
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

from support.builds import program
from support.process import Process
from support.status import status_of
from support.wait import free_port, wait_for


def agent(*args, timeout=40):
    return subprocess.run([program("branchline-agent"), *args], capture_output=True, text=True,
                          timeout=timeout)


class Device:
    """A device's folder with its configuration, and its agent while that runs."""

    def __init__(self, folder, pki, port, processes, name="dev-1", cert=None, ca=None,
                 host="127.0.0.1", extra=""):
        self.folder = folder
        self.folder.mkdir(exist_ok=True)
        self.config = folder / "agent.yaml"
        self.processes = processes
        self.name = name
        self.process = None
        cert = cert or pki.device(name)
        self.write(host, port, ca or pki.ca, cert, extra)

    def write(self, host, port, ca, cert, extra=""):
        self.config.write_text(
            f"device: {{id: {self.name}, site: shop, part: 3}}\n"
            f"broker: {{host: {host}, port: {port}, verify_name: localhost, ca: {ca},\n"
            f"         certificate: {cert.cert}, key: {cert.key}}}\n"
            f"state_dir: state\ninterval: 1s\n{extra}")

    def start(self, env=None, prefix=()):
        self.process = self.processes.start(
            f"agent-{self.name}", [*prefix, program("branchline-agent"), "run", "--config", self.config],
            env=env)
        wait_for(lambda: (self.folder / "state" / "agent.sock").exists(), 10,
                 "the agent opens its control socket", self.process.log)
        return self

    def status(self, *args):
        # By its folder: some tests break the configuration of a running agent.
        return agent("status", "--state", self.folder / "state", *args)

    def state(self):
        return status_of("--state", self.folder / "state")

    def wait_health(self, health, timeout_s=20):
        wait_for(lambda: self.state()["health"]["state"] == health, timeout_s,
                 f"the agent is {health}", lambda: self.status().stdout + self.process.log())

    def diagnose(self):
        return agent("diagnose", "--config", self.config)


class Centre:
    """fake_centre, with its commands."""

    def __init__(self, folder, pki, port):
        cert = pki.device("collector-live")
        self.log_path = folder / "centre.log"
        with open(self.log_path, "wb") as log:
            self._popen = subprocess.Popen(
                [program("fake_centre"), str(port), pki.ca, cert.cert, cert.key],
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)
        self.wait("up\n")

    def log(self):
        return self.log_path.read_text()

    def wait(self, text, count=1, timeout_s=20):
        wait_for(lambda: self.log().count(text) >= count, timeout_s,
                 f"the centre sees {text!r} {count} times", self.log)

    def do(self, command):
        before = self.log().count(f"done {command}\n")
        self._popen.stdin.write(command.encode() + b"\n")
        self._popen.stdin.flush()
        self.wait(f"done {command}\n", before + 1)

    def stop(self):
        self._popen.kill()
        self._popen.wait(10)


@pytest.fixture
def centre(tmp_path, pki, broker):
    one = Centre(tmp_path, pki, broker.port)
    yield one
    one.stop()


@pytest.fixture
def device(tmp_path, pki, broker, processes):
    return Device(tmp_path / "agent", pki, broker.port, processes)


# ---- configuration ----

def test_every_mistake_is_named_and_the_exit_code_is_78(tmp_path):
    config = tmp_path / "agent.yaml"
    config.write_text("device: {id: X!, site: s}\nbrokr: {}\ninterval: 10\nlog_level: inf\n")
    for command in ("check-config", "--check-config", "print-config", "run", "diagnose"):
        done = agent(command, "--config", config)
        assert done.returncode == 78, command
        for wanted in ('agent.yaml:1:14: device.id: expected an id',
                       'device.part: required key is missing',
                       'agent.yaml:2:1: brokr: unknown key; did you mean "broker"?',
                       'got "10"; did you mean "10s"?',
                       'got "inf"; did you mean "info"?'):
            assert wanted in done.stderr, (command, done.stderr)


EXAMPLE = Path(__file__).resolve().parents[2] / "agent" / "agent.example.yaml"


def test_the_example_is_good_also_with_all_that_it_shows_as_comments(tmp_path):
    text = EXAMPLE.read_text()
    shown, n = re.subn(r"^( *)# ( *(?:- )?\{?[a-z_]+:(?: .*)?)$", r"\1\2", text, flags=re.M)
    assert n > 40
    config = tmp_path / "agent.yaml"
    for one, probes in ((text, 1), (shown, 7)):
        config.write_text(one)
        done = agent("check-config", "--config", config)
        assert done.returncode == 0, done.stderr
        assert f"{probes} probes" in done.stdout
    # Every sampler there is stands in it.
    printed = agent("print-config", "--config", config).stdout
    kinds = re.findall(r"^  (\w+):", re.split(r"^\w", printed.split("\nsamplers:\n")[1], flags=re.M)[0], re.M)
    assert len(kinds) > 10
    assert [k for k in kinds if k not in re.findall(r"^  (\w+):", shown, re.M)] == ["synthetic"]


def test_a_missing_configuration_is_named(tmp_path):
    done = agent("run", "--config", tmp_path / "none.yaml")
    assert done.returncode == 78
    assert "none.yaml: No such file or directory" in done.stderr and "branchline-agent setup FILE" in done.stderr


def test_what_is_printed_is_accepted(tmp_path, device):
    printed = agent("print-config", "--config", device.config, "--plain", "--secrets")
    assert printed.returncode == 0
    again = tmp_path / "again.yaml"
    again.write_text(printed.stdout)
    assert agent("check-config", "--config", again).returncode == 0
    assert agent("print-config", "--config", again, "--plain", "--secrets").stdout == printed.stdout


@pytest.mark.parametrize("command", ["run", "setup", "status", "diagnose", "check-config",
                                     "print-config", "options"])
def test_every_command_has_help_and_refuses_what_it_does_not_know(command):
    done = agent(command, "--help")
    assert done.returncode == 0 and f"branchline-agent {command}" in done.stdout
    done = agent(command, "--no-such-option")
    assert done.returncode == 64 and "--no-such-option" in done.stderr


def test_an_unknown_command_is_refused():
    done = agent("sing")
    assert done.returncode == 64 and '"sing"' in done.stderr


# ---- running ----

def test_data_is_delivered_and_status_tells(device, centre):
    device.start()
    centre.wait("presence online=1")
    device.wait_health("healthy")
    state = device.state()
    assert state["link"]["state"] == "up"
    assert state["uplink"]["state"] == "ready"
    assert state["spool"]["last_receipt_unix_ms"] > 0
    # The spool is asked for its figures now and then, and by this very command.
    wait_for(lambda: device.state()["spool"]["series"] > 20, 10, "series are known")
    done = device.status()
    assert done.returncode == 0
    assert "healthy" in done.stdout and "delivering" in done.stdout


def test_nothing_but_hello_comes_before_the_answer(device, centre):
    centre.do("deaf")
    device.start()
    centre.wait("hello device=dev-1")
    device.wait_health("degraded")
    # The next hello is ten seconds away: whatever came until now came without an answer.
    seen = [line for line in centre.log().splitlines()
            if line.split()[0] in ("batch", "dict", "clock", "message", "presence")]
    assert [line for line in seen if "retained=1" not in line or "online=1" in line] == []
    assert "collector has not answered" in device.status().stdout
    centre.do("hear")
    device.wait_health("healthy", 40)


def test_status_says_that_the_agent_is_dead_and_reads_the_spool(device, centre):
    device.start()
    device.wait_health("healthy")
    wait_for(lambda: device.state()["spool"]["accepted_samples"] > 0, 10, "it samples")
    device.process.kill()
    done = device.status()
    assert done.returncode == 2
    assert "NOT RUNNING" in done.stdout
    assert "batches wait" in done.stdout
    state = device.state()
    assert state["daemon"] == "dead"
    assert state["device"] == "dev-1"
    assert state["spool"]["accepted_samples"] > 0


def test_status_without_any_spool_says_so(device):
    done = agent("status", "--config", device.config)
    assert done.returncode == 2
    assert "not running" in done.stderr and "spool.db" in done.stderr


def test_sigterm_ends_it_within_two_seconds_with_a_goodbye(device, centre):
    device.start()
    device.wait_health("healthy")
    device.process.signal(signal.SIGTERM)
    assert device.process.wait(2) == 0  # three times as long where others work beside it
    centre.wait("presence online=0")
    assert not (device.folder / "state" / "agent.sock").exists()


def test_sigterm_ends_it_within_two_seconds_without_a_broker(tmp_path, pki, processes):
    device = Device(tmp_path / "agent", pki, free_port(), processes).start()
    device.process.signal(signal.SIGTERM)
    assert device.process.wait(2) == 0


def test_a_killed_agent_goes_on_where_it_was(device, centre):
    device.start()
    device.wait_health("healthy")
    wait_for(lambda: device.state()["spool"]["accepted_samples"] > 100, 20, "samples gather")
    device.process.kill()
    device.start()
    device.wait_health("healthy")
    # What the first life had accepted comes as one batch of host samples.
    wait_for(lambda: any("stream=3" in line and "samples=0" not in line
                         for line in centre.log().splitlines() if line.startswith("batch")),
             20, "the samples of the first life arrive", centre.log)
    assert device.state()["gaps"][0]["reason"] == "off"


def test_a_second_agent_on_the_same_state_is_refused(device, processes):
    device.start()
    second = agent("run", "--config", device.config)
    assert second.returncode == 1
    assert "spool" in second.stderr
    assert device.process.running()


def test_a_restored_centre_gets_everything_again(device, centre):
    device.start()
    device.wait_health("healthy")
    centre.wait("batch stream=1 seq=1 ")
    centre.do("restore")
    centre.wait("hello device=dev-1", 2)
    centre.wait("batch stream=1 seq=1 ", 2)


def test_a_restarted_centre_is_greeted_again(device, centre):
    device.start()
    device.wait_health("healthy")
    centre.do("restart")
    centre.wait("hello device=dev-1", 2)
    device.wait_health("healthy")


def test_what_the_centre_asks_for_is_sent_again(device, centre):
    device.start()
    device.wait_health("healthy")
    centre.wait("batch stream=1 seq=1 ")
    centre.do("ask 1 1 1")
    centre.wait("batch stream=1 seq=1 ", 2)


@pytest.mark.parametrize("verdict,words", [(1, "belongs to another device"), (2, "was retired")])
def test_a_refusal_by_the_centre_is_named(device, centre, verdict, words):
    centre.do(f"verdict {verdict}")
    device.start()
    wait_for(lambda: words in device.status().stdout, 20, words, device.process.log)
    assert device.status().returncode == 1
    assert not any(line.startswith("batch") for line in centre.log().splitlines())


def test_a_broker_that_dies_is_found_again(device, centre, broker):
    device.start()
    device.wait_health("healthy")
    broker.kill()
    device.wait_health("degraded")
    wait_for(lambda: "refused" in device.status().stdout, 20, "the reason is shown",
             lambda: device.status().stdout)
    broker.start()
    device.wait_health("healthy", 90)


def test_a_pause_is_a_gap_and_no_burst(device, centre):
    device.start()
    device.wait_health("healthy")
    before = device.state()["sampling"]["ticks"]
    device.process.pause()
    began = time.monotonic()
    wait_for(lambda: time.monotonic() - began > 6, 10, "six seconds pass")
    device.process.resume()
    wait_for(lambda: "nothing was sampled for a while" in device.process.log(), 10,
             "the pause is noticed", device.process.log)
    state = device.state()
    assert state["sampling"]["missed_ticks"] >= 4
    assert state["sampling"]["ticks"] - before <= (time.monotonic() - began) - 6 + 4
    wait_for(lambda: [g for g in device.state()["gaps"] if g["reason"] == "off"], 10,
             "the pause is in the ledger")


def test_a_bad_certificate_does_not_stop_sampling(tmp_path, pki, broker, processes, centre):
    good = pki.device("dev-1")
    other = pki.device("dev-other")
    mixed = type(good)("dev-1", good.cert, other.key)
    device = Device(tmp_path / "agent", pki, broker.port, processes, cert=mixed).start()
    wait_for(lambda: device.state()["spool"].get("accepted_samples", 0) > 50, 20,
             "sampling goes on", device.process.log)
    done = device.status()
    assert done.returncode == 1
    assert "do not belong together" in done.stdout
    # The right files and SIGHUP: it connects without a restart.
    device.write("127.0.0.1", broker.port, pki.ca, good)
    device.process.signal(signal.SIGHUP)
    device.wait_health("healthy")


def test_a_refused_certificate_is_replaced_without_a_signal(tmp_path, pki, brokers, processes, centre):
    revoked = pki.device_revoked()
    broker = brokers()  # after the list was written
    cert, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    shutil.copy(revoked.cert, cert)
    shutil.copy(revoked.key, key)
    device = Device(tmp_path / "agent", pki, broker.port, processes,
                    cert=type(revoked)("dev-1", cert, key)).start()
    device.process.wait_log("revoked", 20)
    # What `branchline-agent setup` of a new file does, while the agent runs.
    good = pki.device("dev-1")
    for new, old in ((good.key, key), (good.cert, cert)):
        shutil.copy(new, f"{old}.new")
        os.replace(f"{old}.new", old)
    device.process.wait_log("connected broker=", 60)


def test_reload_takes_what_is_good_and_refuses_what_is_not(device, centre):
    device.start()
    device.wait_health("healthy")
    text = device.config.read_text()
    first = device.state()["config_hash"]

    device.config.write_text(text.replace("interval: 1s", "interval: nonsense"))
    device.process.signal(signal.SIGHUP)
    device.process.wait_log("reload refused")
    assert 'interval: expected a duration' in device.process.log()
    assert device.state()["config_hash"] == first

    device.config.write_text(text.replace("id: dev-1", "id: dev-2"))
    device.process.signal(signal.SIGHUP)
    device.process.wait_log("device.id can only change with a restart")

    bad = device.folder / "bad.pem"
    bad.write_text("no certificate")
    device.config.write_text(re.sub(r"certificate: [^,}]*", f"certificate: {bad}",
                                    text.replace("interval: 1s", "interval: 3s")))
    device.process.signal(signal.SIGHUP)
    device.process.wait_log("bad.pem")
    assert device.state()["config_hash"] == first  # nothing is half applied
    assert device.state()["sampling"]["interval_ms"] == 1000

    device.config.write_text(text.replace("interval: 1s", "interval: 2s"))
    device.process.signal(signal.SIGHUP)
    device.process.wait_log("reloaded changed=yes")
    state = device.state()
    assert state["config_hash"] != first
    assert state["sampling"]["interval_ms"] == 2000
    assert state["link"]["connects"] == 1


def test_status_answers_while_the_disk_hangs(tmp_path, pki, processes):
    if not os.path.exists("/usr/bin/strace"):
        pytest.skip("strace is not installed")
    device = Device(tmp_path / "agent", pki, free_port(), processes)
    tracer = processes.start(
        "strace", ["/usr/bin/strace", "-f", "-o", "/dev/null", "-e", "trace=fdatasync,fsync",
                   "-e", "inject=fdatasync,fsync:delay_enter=8000000:when=9+",
                   program("branchline-agent"), "run", "--config", device.config],
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    if "Operation not permitted" in tracer.log():
        pytest.skip("strace may not trace here")
    wait_for(lambda: "thread has not moved" in device.status().stdout, 60,
             "status names the disk", lambda: device.status().stdout + tracer.log())
    os.kill(device.state()["pid"], signal.SIGKILL)
    tracer.wait(20)


def faketime_library():
    for path in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"):
        return path
    pytest.skip("libfaketime is not installed")


def test_a_clock_of_1971_connects_learns_the_time_and_notes_the_step(device, centre, tmp_path):
    """No verification of dates can be asked of a clock that is known to be wrong; the centre's
    answer places what was sampled, and setting the clock is an event, not a second truth."""
    said = tmp_path / "time"
    said.write_text("@1971-01-01 00:00:00\n")
    device.start(env={**os.environ, "LD_PRELOAD": str(faketime_library()),
                      "FAKETIME_TIMESTAMP_FILE": str(said), "FAKETIME_NO_CACHE": "1",
                      "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                      # the sanitizer wants to be the first library, which LD_PRELOAD denies it
                      "ASAN_OPTIONS": "verify_asan_link_order=0"})
    device.wait_health("healthy")
    clock = device.state()["clock"]
    assert (clock["trusted"], clock["source"], clock["before_known_time"]) == (True, "centre", True)
    centre.wait("clock id=2 source=2")
    said.write_text("+0\n")
    device.process.wait_log("wall clock was set", 20)
    wait_for(lambda: not device.state()["clock"]["before_known_time"], 10, "the clock is believed")
    assert device.state()["clock"]["source"] == "centre"
    assert "clock id=3" not in centre.log()  # a trusted segment never moves


def test_a_clock_years_ahead_is_let_in_again_and_again(device, centre, broker, tmp_path):
    """The centre's answer tells the time, but does not set the machine's clock: certificates
    must not be judged by that at the next connection either."""
    said = tmp_path / "time"
    said.write_text("+20y\n")
    device.start(env={**os.environ, "LD_PRELOAD": str(faketime_library()),
                      "FAKETIME_TIMESTAMP_FILE": str(said), "FAKETIME_NO_CACHE": "1",
                      "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                      "ASAN_OPTIONS": "verify_asan_link_order=0"})
    device.wait_health("healthy")
    assert device.state()["clock"]["source"] == "centre"
    broker.kill()
    device.wait_health("degraded")
    broker.start()
    device.wait_health("healthy", 90)
    assert device.state()["link"]["connects"] == 2


def test_a_long_state_folder_has_a_control_socket_all_the_same(tmp_path, pki, broker, processes):
    folder = tmp_path / ("a" * 90)
    folder.mkdir()
    device = Device(folder / "agent", pki, broker.port, processes).start()
    assert device.state()["daemon"] == "running"


def test_probes_are_sampled(tmp_path, pki, broker, processes, centre):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        extra = (f"probes:\n  - {{name: here, url: 'http://127.0.0.1:{server.server_port}/', "
                 "interval: 1s, timeout: 1s}\n")
        device = Device(tmp_path / "agent", pki, broker.port, processes, extra=extra).start()
        wait_for(lambda: device.state()["sampling"]["probes"] == 1, 10, "the probe is known")
        wait_for(lambda: device.state()["spool"]["streams"]["probes"]["open_samples"] > 5, 20,
                 "probe samples are in the spool", lambda: device.status().stdout)
    finally:
        server.shutdown()
        server.server_close()


# ---- diagnose ----

def step(done, name):
    """(ok or FAILED, the line) of a step."""
    for line in done.stdout.splitlines():
        if line.startswith(name):
            return ("FAILED" if "FAILED" in line else "ok"), line
    return None, done.stdout + done.stderr


def check_failed(done, name, words):
    assert done.returncode == 1, done.stdout
    got, line = step(done, name)
    assert got == "FAILED" and words in line, done.stdout + done.stderr
    assert "what to do: " in done.stdout


def test_diagnose_finds_nothing_wrong(device, centre):
    device.start()
    for running in (True, False):
        if running:
            device.wait_health("healthy")
        else:
            device.process.stop()
        done = device.diagnose()
        assert done.returncode == 0, done.stdout
        for name in ("configuration", "files", "name look-up", "TCP", "TLS", "broker", "collector"):
            assert step(done, name)[0] == "ok", done.stdout


def test_diagnose_changes_nothing_in_the_state_folder(device, centre):
    """Before the first start and after the end: the hello speaks for the spool as it is read."""
    done = device.diagnose()
    assert done.returncode == 0, done.stdout
    assert "no spool yet" in step(done, "collector")[1]
    assert not (device.folder / "state").exists()
    device.start()
    device.wait_health("healthy")
    device.process.stop()
    before = {p.name: p.read_bytes() for p in (device.folder / "state").iterdir()
              if not p.name.endswith("-shm")}
    assert device.diagnose().returncode == 0
    after = {p.name: p.read_bytes() for p in (device.folder / "state").iterdir()
             if not p.name.endswith("-shm")}
    assert {k: v for k, v in after.items() if v} == {k: v for k, v in before.items() if v}


def test_a_proxy_in_the_environment_is_not_used(device, centre):
    """Paho would talk to it, in the clear."""
    device.start(env={**os.environ, "http_proxy": "http://127.0.0.1:1", "HTTPS_PROXY": "x"})
    device.wait_health("healthy")
    assert "through its proxy only; not used from the environment: " in device.process.log()


def test_diagnose_names_a_failed_look_up(tmp_path, pki, processes):
    device = Device(tmp_path / "a", pki, 8883, processes, host="no-such-host.invalid")
    check_failed(device.diagnose(), "name look-up", "no-such-host.invalid")


def test_diagnose_names_a_refused_connection(tmp_path, pki, processes):
    device = Device(tmp_path / "a", pki, free_port(), processes)
    done = device.diagnose()
    check_failed(done, "TCP", "refused")
    assert step(done, "name look-up")[0] == "ok"


@pytest.mark.parametrize("host, name, words", [("127.0.0.1", "TCP", "does the proxy run"),
                                               ("no-such-host.invalid", "name look-up", "broker.proxy.url")])
def test_diagnose_speaks_of_the_proxy_that_is_not_there(tmp_path, pki, processes, host, name, words):
    device = Device(tmp_path / "a", pki, 8883, processes)
    device.config.write_text(device.config.read_text().replace(
        "broker: {", f"broker: {{proxy: {{url: \"http://{host}:{free_port()}\"}}, "))
    done = device.diagnose()
    check_failed(done, name, host)
    assert words in done.stdout and "broker.port" not in done.stdout


def test_diagnose_names_a_web_server(tmp_path, pki, processes):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        device = Device(tmp_path / "a", pki, server.server_port, processes)
        check_failed(device.diagnose(), "TLS", "does not speak TLS")
    finally:
        server.shutdown()
        server.server_close()


def test_diagnose_names_a_silent_server(tmp_path, pki, processes):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        device = Device(tmp_path / "a", pki, silent.getsockname()[1], processes)
        check_failed(device.diagnose(), "TLS", "took longer than")


def test_diagnose_names_another_organisations_broker(tmp_path, pki, other_pki, broker, processes):
    device = Device(tmp_path / "a", pki, broker.port, processes, ca=other_pki.ca)
    check_failed(device.diagnose(), "TLS", "not correctly signed")


def test_diagnose_names_a_server_certificate_for_another_host(tmp_path, pki, brokers, processes):
    elsewhere = brokers(server=pki.server_other_host())
    device = Device(tmp_path / "a", pki, elsewhere.port, processes)
    check_failed(device.diagnose(), "TLS", "localhost")


def test_diagnose_names_an_expired_certificate_of_its_own(tmp_path, pki, broker, processes):
    device = Device(tmp_path / "a", pki, broker.port, processes, name="dev-expired",
                    cert=pki.device_expired())
    check_failed(device.diagnose(), "files", "expired on")


def test_diagnose_names_a_revoked_certificate(tmp_path, pki, brokers, processes):
    revoked = pki.device_revoked()
    broker = brokers()  # after the list was written
    device = Device(tmp_path / "a", pki, broker.port, processes, name="dev-revoked", cert=revoked)
    check_failed(device.diagnose(), "TLS", "revoked")


def test_diagnose_names_a_certificate_of_another_device(tmp_path, pki, broker, processes):
    device = Device(tmp_path / "a", pki, broker.port, processes, cert=pki.device("dev-other"))
    check_failed(device.diagnose(), "files", '"dev-other"')


def test_diagnose_names_a_silent_collector(device, broker):
    device.start()
    device.process.wait_log("connected broker=")
    device.process.stop()
    done = device.diagnose()
    check_failed(done, "collector", "no answer to hello")
    assert step(done, "broker")[0] == "ok"


def test_diagnose_names_a_missing_file(tmp_path, pki, broker, processes):
    good = pki.device("dev-1")
    gone = type(good)("dev-1", tmp_path / "gone.pem", good.key)
    device = Device(tmp_path / "a", pki, broker.port, processes, cert=gone)
    check_failed(device.diagnose(), "files", "gone.pem: No such file")


def test_diagnose_names_a_key_that_others_can_read(tmp_path, pki, broker, processes):
    good = pki.device("dev-1")
    loose = tmp_path / "loose.key"
    loose.write_bytes(good.key.read_bytes())
    loose.chmod(0o644)
    device = Device(tmp_path / "a", pki, broker.port, processes,
                    cert=type(good)("dev-1", good.cert, loose))
    check_failed(device.diagnose(), "files", "can be read by others")


# ---- setup ----

def setup_file(path, pki, port, name="dev-1", cert=None, agent_yaml=""):
    cert = cert or pki.device(name)

    def block(text):
        return "|\n" + "".join(f"  {line}\n" for line in text.splitlines())
    path.write_text(
        f"version: 1\ndevice: \"{name}\"\nsite: \"shop\"\npart: 3\n"
        f"broker:\n  host: \"127.0.0.1\"\n  port: {port}\n  verify_name: \"localhost\"\n"
        f"ca: {block(pki.ca.read_text())}certificate: {block(cert.cert.read_text())}"
        f"key: {block(cert.key.read_text())}"
        + (f"agent: {block(agent_yaml)}" if agent_yaml else ""))
    path.chmod(0o600)
    return path


def test_setup_makes_an_agent_that_connects(tmp_path, pki, broker, processes, centre):
    file = setup_file(tmp_path / "dev.setup", pki, broker.port, agent_yaml="interval: 1s\n")
    folder = tmp_path / "etc"
    done = agent("setup", file, "--dir", folder)
    assert done.returncode == 0, done.stderr
    assert f"diagnose --config {folder}/agent.yaml" in done.stdout
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    assert sorted(p.name for p in folder.iterdir()) == [
        "agent.yaml", "ca.pem", "certificate.pem", "key.pem"]
    process = processes.start("agent", [program("branchline-agent"), "run", "--config",
                                        folder / "agent.yaml"])
    centre.wait("presence online=1")
    assert process.running()


def test_setup_does_not_overwrite_another_identity(tmp_path, pki):
    folder = tmp_path / "etc"
    assert agent("setup", setup_file(tmp_path / "1", pki, 8883), "--dir", folder).returncode == 0
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    other = setup_file(tmp_path / "2", pki, 8883, name="dev-other")
    done = agent("setup", other, "--dir", folder)
    assert done.returncode == 1
    assert 'device "dev-1"' in done.stderr and "--force" in done.stderr
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    done = agent("setup", other, "--dir", folder, "--force")
    assert done.returncode == 0, done.stderr
    assert "dev-other" in (folder / "agent.yaml").read_text()
    assert "dev-1" in (folder / "agent.yaml.before").read_text()


def test_setup_of_the_same_device_keeps_its_configuration(tmp_path, pki):
    folder = tmp_path / "etc"
    file = setup_file(tmp_path / "1", pki, 8883)
    assert agent("setup", file, "--dir", folder).returncode == 0
    config = folder / "agent.yaml"
    config.write_text(config.read_text() + "interval: 30s\n")
    assert agent("setup", file, "--dir", folder).returncode == 0
    assert "interval: 30s" in config.read_text()


def test_setup_refuses_a_bad_file_and_changes_nothing(tmp_path, pki):
    folder = tmp_path / "etc"
    good, other = pki.device("dev-1"), pki.device("dev-other")
    cases = {
        "key of another": (dict(cert=type(good)("x", good.cert, other.key)), "belong together"),
        "certificate of another": (dict(cert=other), '"dev-other"'),
        "bad fragment": (dict(agent_yaml="intervall: 3s\n"), 'did you mean "interval"'),
    }
    for name, (options, words) in cases.items():
        done = agent("setup", setup_file(tmp_path / "f", pki, 8883, **options), "--dir", folder)
        assert done.returncode == 1, name
        assert words in done.stderr, (name, done.stderr)
        assert not folder.exists() or list(folder.iterdir()) == [], name
    junk = tmp_path / "junk"
    junk.write_text("version: 2\nhello: [")
    done = agent("setup", junk, "--dir", folder)
    assert done.returncode == 1 and "junk:" in done.stderr


def test_the_key_is_never_readable_by_others_for_an_instant(tmp_path, pki):
    if not os.path.exists("/usr/bin/strace"):
        pytest.skip("strace is not installed")
    trace = tmp_path / "trace"
    file = setup_file(tmp_path / "1", pki, 8883)
    done = subprocess.run(
        ["/usr/bin/strace", "-f", "-o", trace, "-e", "trace=openat,chmod,fchmod,rename",
         program("branchline-agent"), "setup", file, "--dir", tmp_path / "etc"],
        capture_output=True, text=True, timeout=40,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    if done.returncode != 0 and "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    made = [line for line in trace.read_text().splitlines()
            if "key.pem" in line and "O_CREAT" in line]
    assert made and all("0600" in line and "O_EXCL" in line for line in made), made
