"""The collector as a program: configuration, start and end, and what it does when something that
it needs is away or not as it should be.  What it takes in is test_main_job.py's matter.
"""

import http.client
import os
import signal
import socket
import sqlite3
import subprocess

import pytest

from support.builds import program
from support.org import Organisation
from support.wait import wait_for


def run(*args):
    return subprocess.run([program("branchline-collector"), *map(str, args)],
                          capture_output=True, text=True, timeout=60)


@pytest.fixture
def quiet(tmp_path, processes):
    """An organisation of which nothing runs."""
    return Organisation(tmp_path, processes)


def config(org):
    return org.folder / "collector" / "collector.yaml"


def readyz(org):
    """(status, text) of /readyz over the administrator's socket; 0 while nobody answers."""
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.sock.connect(str(org.folder / "collector" / "admin.sock"))
        connection.request("GET", "/readyz?verbose")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


# ---- configuration ----


def test_every_mistake_is_named_with_its_line_and_the_exit_code_is_78(tmp_path):
    file = tmp_path / "collector.yaml"
    file.write_text("state_dir: /tmp\nbrokr:\n  host: x\nbroker:\n  host: b\n  port: eighty\n"
                    "  ca: ca.pem\n  live: {certificate: c, key: k}\n  past: {certificate: c, key: k}\n"
                    "web:\n  certificate: only.pem\n")
    for command in ("check-config", "run"):
        done = run(command, "--config", file)
        assert done.returncode == 78
        assert f"{file}:2:1" in done.stderr and '"broker"' in done.stderr
        assert f"{file}:6:9" in done.stderr and "65535" in done.stderr
        assert "belong together" in done.stderr


def test_what_is_printed_is_accepted(quiet, tmp_path):
    done = run("print-config", "--config", config(quiet))
    assert done.returncode == 0 and "credit: 4MiB" in done.stdout
    again = tmp_path / "again.yaml"
    again.write_text(done.stdout)
    assert run("check-config", "--config", again).returncode == 0
    assert run("print-config", "--config", again).stdout == done.stdout


@pytest.mark.parametrize("command", ["run", "check-config", "print-config", "options", "new-epoch"])
def test_every_command_has_help_and_refuses_what_it_does_not_know(command):
    done = run(command, "--help")
    assert done.returncode == 0 and f"branchline-collector {command}" in done.stdout
    assert run(command, "--nonsense").returncode == 64


def test_the_help_names_every_command():
    done = run("--help")
    assert done.returncode == 0
    for command in ("run", "check-config", "print-config", "options", "new-epoch", "version"):
        assert f"\n  {command} " in done.stdout
    assert run("nonsense").returncode == 64 and run().returncode == 64


@pytest.mark.parametrize("key", ["ca:", "certificate:", "key:"])
def test_a_file_that_is_missing_is_named(quiet, key):
    lines = config(quiet).read_text().splitlines()
    place = next(i for i, line in enumerate(lines) if line.strip().startswith(key))
    lines[place] = lines[place].split(key)[0] + key + " /nonexistent/file.pem"
    config(quiet).write_text("\n".join(lines) + "\n")
    done = run("run", "--config", config(quiet))
    assert done.returncode == 78
    assert "/nonexistent/file.pem" in done.stderr


# ---- start and end ----


def test_sigterm_ends_it_in_order(organisation):
    for number in (signal.SIGTERM, signal.SIGINT):
        organisation.collector.signal(number)
        assert organisation.collector.wait(10) == 0
        assert "stopped" in organisation.collector.log()
        organisation.start_collector()


def test_a_second_one_on_the_same_state_is_refused(organisation):
    done = run("run", "--config", config(organisation))
    assert done.returncode == 1
    assert "another process writes it" in done.stderr
    assert organisation.api("GET", "/status")["broker"]["live"] == "up"


def test_a_store_of_a_newer_version_is_refused_and_left_alone(organisation):
    organisation.collector.stop()
    path = organisation.folder / "collector" / "telemetry.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    done = run("run", "--config", config(organisation))
    assert done.returncode == 78
    assert "version 99" in done.stderr and "newer" in done.stderr
    assert path.read_bytes() == before


def test_something_else_in_the_stores_place_is_refused(quiet):
    path = quiet.folder / "collector" / "telemetry.db"
    path.write_bytes(b"This is not a database at all. " * 500)
    before = path.read_bytes()
    done = run("run", "--config", config(quiet))
    assert done.returncode != 0 and "not a database" in done.stderr
    assert path.read_bytes() == before


def test_a_new_epoch_is_made_only_while_it_does_not_run(organisation):
    before = organisation.api("GET", "/status")["epoch"]
    assert "another process" in run("new-epoch", "--config", config(organisation)).stderr
    organisation.collector.stop()
    done = run("new-epoch", "--config", config(organisation))
    assert done.returncode == 0, done.stderr
    organisation.start_collector()
    after = organisation.api("GET", "/status")["epoch"]
    assert after != before and after in done.stdout


# ---- what it needs is away ----


def test_without_a_broker_it_answers_says_why_and_connects_later(quiet):
    org = quiet
    org.collector = org.processes.start(
        "collector", [program("branchline-collector"), "run", "--config", config(org)])
    status, text = wait_for(lambda: (r := readyz(org))[0] and r, 20, "the collector answers", org.collector.log)
    assert status == 503 and "broker" in text
    org.collector.wait_log("Connection refused")
    org.start_broker()
    wait_for(lambda: readyz(org)[0] == 200, 30, "it is ready", org.collector.log)
    # And again, when the broker goes in the middle.
    org.broker.kill()
    wait_for(lambda: readyz(org)[0] == 503, 30, "it is not ready", org.collector.log)
    org.start_broker()
    wait_for(lambda: readyz(org)[0] == 200, 30, "it is ready again", org.collector.log)


def test_one_certificate_for_both_connections_is_refused(quiet):
    folder = quiet.folder / "collector"
    text = config(quiet).read_text()
    config(quiet).write_text(text.replace(str(folder / "past.pem"), str(folder / "live.pem"))
                                 .replace(str(folder / "past.key"), str(folder / "live.key")))
    done = run("run", "--config", config(quiet))
    assert done.returncode == 78 and "different names" in done.stderr


# ---- devices ----


def test_a_retired_device_is_taken_from_no_more(organisation):
    org = organisation
    org.tool("site", "add", "North")
    agent = org.add_agent("north", "till", config="interval: 1s\n").start()

    def device():
        return org.api("GET", f"/devices/{agent.device}")

    wait_for(lambda: device()["last_seen_unix_ms"], 30, "a first batch arrives", agent.process.log)
    org.api("PATCH", f"/devices/{agent.device}", {"retired": True})
    agent.stop()
    before = device()["last_seen_unix_ms"]
    agent.start()
    agent.process.wait_log("retired", 30)
    assert device()["last_seen_unix_ms"] == before


def test_it_survives_as_many_kills_as_it_gets_and_stores_what_came(organisation):
    org = organisation
    org.tool("site", "add", "North")
    agent = org.add_agent("north", "till", config="interval: 1s\n").start()
    for _ in range(3):
        wait_for(lambda: org.api("GET", f"/devices/{agent.device}")["presence"] == "online", 30,
                 "the agent is there", lambda: agent.process.log() + org.collector.log())
        os.kill(org.collector.pid, signal.SIGKILL)
        org.collector.wait(10)
        org.start_collector()
    wait_for(lambda: org.api("GET", "/status")["batches"] > 0, 90, "a batch is stored",
             lambda: agent.process.log() + org.collector.log())
    agent.stop()
    with sqlite3.connect(f"file:{org.folder}/collector/telemetry.db?mode=ro", uri=True) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT count(*), count(DISTINCT spool_id || '/' || stream || '/' || seq)"
                          " FROM batch").fetchone()[0] > 0
    assert org.api("GET", "/gaps")["unexplained"] == 0
