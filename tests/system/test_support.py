"""The fixtures themselves: what other tests stand on must hold."""

import os
import socket
import sqlite3
import ssl
from contextlib import closing
from types import SimpleNamespace

import pytest

from support.oracle import nothing_but_off
from support.org import Organisation
from support.pki import LOCALHOST
from support.process import Process
from support.steps import EventLoad
from support.wait import free_port, wait_for


def _shake(broker, pki, cert):
    """One TLS 1.2 handshake; waits for the CONNACK-less end or silence that tells acceptance."""
    context = ssl.create_default_context(cafile=str(pki.ca))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert.cert, cert.key)
    with socket.create_connection(("127.0.0.1", broker.port), 5) as raw:
        with context.wrap_socket(raw, server_hostname="localhost") as tls:
            return tls.version()


def test_broker_takes_a_good_device(pki, broker):
    assert _shake(broker, pki, pki.device("support-good")) == "TLSv1.2"


def test_broker_refuses_expired_revoked_and_foreign_devices(pki, other_pki, broker):
    for cert in (pki.device_expired(), pki.device_revoked(), other_pki.device("support-foreign")):
        broker.reload()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            _shake(broker, pki, cert)


def test_broker_keeps_its_port_over_a_kill(pki, broker):
    port = broker.port
    broker.kill()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    broker.start()
    assert broker.port == port
    assert _shake(broker, pki, pki.device("support-good")) == "TLSv1.2"


def test_other_host_certificate_is_not_for_localhost(pki, brokers):
    assert "localhost" in LOCALHOST
    broker = brokers(server=pki.server_other_host())
    with pytest.raises(ssl.SSLCertVerificationError, match="[Hh]ostname mismatch"):
        _shake(broker, pki, pki.device("support-good"))


def test_a_program_that_ends_is_reported_with_its_log(tmp_path):
    process = Process("shell", ["/bin/sh", "-c", "echo last words; exit 3"], tmp_path / "log")
    with pytest.raises(AssertionError, match="last words"):
        process.wait_log("never written", 5)
    assert process.wait() == 3


def test_waiting_in_vain_names_the_condition():
    with pytest.raises(AssertionError, match="the moon"):
        wait_for(lambda: False, 0.05, "the moon")


@pytest.mark.parametrize("reason, spool, file, complaint", [
    (1, "AB", "agent/state/spool.db", None),
    (4, "AB", "agent/state/spool.db", r"has the reasons \[4\]"),
    (6, "AB", "agent/state/spool.db", r"has the reasons \[6\]"),
    (1, "CD", "agent/state/spool.db", "has another spool"),
    (1, "AB", "agent/state/spool.db.aside-20261128T000000Z", "taken for damaged"),
    (1, "AB", "org/collector/telemetry.db.damaged-20261128T000000Z", "taken for damaged")])
def test_what_would_have_to_be_explained_is_seen(tmp_path, reason, spool, file, complaint):
    for folder in ("org/collector", "agent/state"):
        (tmp_path / folder).mkdir(parents=True)
    with closing(sqlite3.connect(tmp_path / "org/collector/telemetry.db")) as db, db:
        db.execute("CREATE TABLE device(id, name)")
        db.execute("CREATE TABLE gap(device_id, reason)")
        db.execute("INSERT INTO device VALUES (1, 'till')")
        db.execute("INSERT INTO gap VALUES (1, ?)", (reason,))
    with closing(sqlite3.connect(tmp_path / "agent/state/spool.db")) as db, db:
        db.execute("CREATE TABLE state(spool BLOB)")
        db.execute("INSERT INTO state VALUES (?)", (bytes.fromhex(spool),))
    (tmp_path / file).touch()
    agent = SimpleNamespace(device="till", folder=tmp_path / "agent", process=SimpleNamespace(log=str),
                            spool=lambda: tmp_path / "agent/state/spool.db")
    org = SimpleNamespace(folder=tmp_path / "org")
    if complaint is None:
        nothing_but_off(org, [(agent, "ab")])
    else:
        with pytest.raises(AssertionError, match=complaint):
            nothing_but_off(org, [(agent, "ab")])


def test_a_report_that_is_refused_is_told_by_the_test_that_made_it(tmp_path):
    """Not only by a thread that nobody looks at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        load = EventLoad("till", tmp_path / "s")
        load.start()
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(4) == b"step"
            connection.sendall(b"error: no such verb\n")
            with pytest.raises(AssertionError, match="report 1 was answered 'error: no such verb'"):
                load.finish()


# ---- a broker is the one that was started ----


def test_a_broker_whose_port_is_taken_says_who_has_it(tmp_path, processes):
    org = Organisation(tmp_path, processes)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", org.broker_port))
        other.listen()
        with pytest.raises(AssertionError, match=rf"(?s)mosquitto ended with code 1;.*already in use.*pid={os.getpid()},"):
            org.start_broker()


def test_a_port_is_kept_for_its_server_while_that_does_not_run():
    port = free_port()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    for _ in range(2):
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", port))
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), 5)
            server.listen()
            socket.create_connection(("127.0.0.1", port), 5).close()


def test_nothing_that_runs_is_started_again(organisation):
    """The second one would end at once, and whether the test sees that or the first one's answers is chance."""
    with pytest.raises(AssertionError, match="the broker runs already"):
        organisation.start()
    with pytest.raises(AssertionError, match="the collector runs already"):
        organisation.start_collector()
