"""The fixtures themselves: what other tests stand on must hold."""

import socket
import ssl

import pytest

from support.pki import LOCALHOST
from support.process import Process
from support.wait import wait_for


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
