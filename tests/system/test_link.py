"""The link and MQTT against a real Mosquitto and against servers that misbehave.

Every way in which a connection can fail must be told apart, quickly and in
words; what was published must be acknowledged once, whatever happens between.
"""

import json
import os
import shutil
import socket
import subprocess
import time

import pytest

from support.builds import program
from support.link import QUICK_MS, shake, shake_once
from support.peers import Answering, BlackHole, ScriptedBroker, Silent
from support.process import clean_environment
from support.proxy import Proxy
from support.wait import free_port, wait_for


# ---- what the link says: the server's side is wrong ----

def test_wrong_ca_is_named(pki, other_pki, broker):
    report, ms = shake_once(pki, pki.device("link-a"), broker.port, ca=other_pki.ca)
    assert report["fault"] == "server_cert"
    assert 'issuer certificate "Branchline Test CA": not correctly signed by the trusted CA' \
        ' (we trust "Some Other CA")' in report["text"]
    assert ms < QUICK_MS


def test_expired_server_certificate_is_named_with_its_dates(pki, brokers):
    broker = brokers(server=pki.server_expired())
    report, ms = shake_once(pki, pki.device("link-a"), broker.port)
    assert report["fault"] == "server_cert"
    assert 'server certificate "broker-expired": its validity has expired (valid 20' \
        in report["text"]
    assert ms < QUICK_MS


def test_server_certificate_of_another_host_is_named(pki, brokers):
    broker = brokers(server=pki.server_other_host())
    report, ms = shake_once(pki, pki.device("link-a"), broker.port)
    assert report["fault"] == "server_cert"
    assert "is for another host (it names other.example; expected localhost)" in report["text"]
    assert ms < QUICK_MS


def test_name_to_verify_may_differ_from_the_address(pki, brokers):
    broker = brokers(server=pki.server_other_host())
    report, _ = shake_once(pki, pki.device("link-a"), broker.port, "name=other.example")
    assert report["event"] == "ready"


def test_ip_address_is_checked_against_the_certificate(pki, brokers):
    good = brokers()
    report, _ = shake_once(pki, pki.device("link-a"), good.port, host="127.0.0.1")
    assert report["event"] == "ready"
    bad = brokers(server=pki.server("broker-by-name", san="DNS:localhost,IP:127.0.0.2"))
    report, _ = shake_once(pki, pki.device("link-a"), bad.port, host="127.0.0.1")
    assert report["fault"] == "server_cert"
    assert "it names localhost, 127.0.0.2; expected 127.0.0.1" in report["text"]


def test_revoked_server_certificate_is_named(pki, brokers):
    server = pki.server("broker-revoked")
    broker = brokers(server=server)
    pki.revoke(server)
    report, _ = shake_once(pki, pki.device("link-a"), broker.port, f"crl={pki.crl}")
    assert report["fault"] == "server_cert"
    assert 'server certificate "broker-revoked": has been revoked' in report["text"]


def test_a_device_cannot_play_the_server(pki, brokers):
    broker = brokers(server=pki.device("link-impostor"))
    report, _ = shake_once(pki, pki.device("link-a"), broker.port, "name=link-impostor")
    assert report["fault"] == "server_cert"
    assert "is not meant for a server" in report["text"]


# ---- our side is wrong ----

@pytest.mark.parametrize("kind,words,alert", [
    ("expired", "our certificate has expired", 45),
    ("revoked", "our certificate is revoked", 44),
    ("foreign", "our certificate is from an unknown CA", 48),
])
def test_own_bad_certificate_is_named_every_time(pki, other_pki, broker, kind, words, alert):
    cert = {"expired": pki.device_expired, "revoked": pki.device_revoked,
            "foreign": lambda: other_pki.device("link-foreign")}[kind]()
    broker.reload()
    wait_for(lambda: "Reloading config" in broker.log(), 5, "the broker reads the list again")
    reports, took = shake(pki, cert, broker.port, "repeat=20")
    assert [r["fault"] for r in reports] == ["own_cert"] * 20
    for report in reports:
        assert f"server refused: {words} (TLS alert {alert})" in report["text"]
    assert max(took) < QUICK_MS


def test_key_of_another_certificate_is_found_when_loading(pki, broker):
    a, b = pki.device("link-a"), pki.device("link-b")
    mixed = type(a)("mixed", a.cert, b.key)
    report, _ = shake_once(pki, mixed, broker.port)
    assert report["code"] == "invalid"
    assert "certificate and key do not belong together" in report["text"]


def test_missing_file_is_named(pki, broker):
    a = pki.device("link-a")
    report, _ = shake_once(pki, type(a)("none", a.cert, "/nowhere/key.pem"), broker.port)
    assert report["code"] == "invalid"
    assert "key /nowhere/key.pem: No such file or directory" in report["text"]


# ---- nobody answers, or somebody else does ----

def test_broker_down_is_refused_at_once(pki):
    port = free_port()
    report, ms = shake_once(pki, pki.device("link-a"), port)
    assert report["fault"] == "refused"
    assert f"TCP connect to localhost:{port} (" in report["text"]
    assert "Connection refused" in report["text"]
    assert ms < QUICK_MS


def test_unknown_name_is_a_dns_fault(pki):
    report, _ = shake_once(pki, pki.device("link-a"), 8883, "phase_ms=5000", host="no-such-host.invalid")
    assert report["fault"] in ("dns", "timeout")
    assert 'name look-up of "no-such-host.invalid"' in report["text"]


def test_tcp_black_hole_ends_at_the_deadline(pki):
    hole = BlackHole()
    report, ms = shake_once(pki, pki.device("link-a"), hole.port, "phase_ms=400",
                            host="127.0.0.1")
    hole.close()
    assert report["fault"] == "timeout"
    assert f"TCP connect with 127.0.0.1:{hole.port} took longer than 400 ms" in report["text"]
    assert 400 <= ms < QUICK_MS


def test_silent_server_ends_at_the_deadline(pki):
    silent = Silent()
    report, ms = shake_once(pki, pki.device("link-a"), silent.port, "phase_ms=400")
    silent.close()
    assert report["fault"] == "timeout"
    assert "TLS handshake with localhost" in report["text"]
    assert "took longer than 400 ms" in report["text"]
    assert 400 <= ms < QUICK_MS


@pytest.mark.parametrize("reply,fault,words", [
    (b"HTTP/1.1 302 Found\r\nLocation: http://login/\r\n\r\n", "portal",
     'it is a web server or captive portal: it sent "HTTP/1.1 302 Found" and leads to "login"'),
    (b"<!DOCTYPE html><html>", "portal",
     'it is a web server or captive portal: it sent "<!DOCTYPE html>'),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "not_tls", 'does not speak TLS: it sent "SSH-2.0-OpenSSH_9.2"'),
    (b"\x01\x02\x03\x04\x05\x06\x07", "not_tls", 'does not speak TLS: it sent ""'),
])
def test_what_is_not_tls_is_quoted(pki, reply, fault, words):
    server = Answering(reply)
    report, ms = shake_once(pki, pki.device("link-a"), server.port)
    server.close()
    assert report["fault"] == fault
    assert words in report["text"]
    assert ms < QUICK_MS


def test_server_that_hangs_up_says_so(pki):
    server = Answering(b"")
    report, _ = shake_once(pki, pki.device("link-a"), server.port)
    server.close()
    assert report["fault"] == "peer_closed"
    assert "server closed the connection" in report["text"]


def test_each_phase_is_timed(pki, broker):
    report, _ = shake_once(pki, pki.device("link-a"), broker.port)
    assert report["event"] == "ready" and report["fault"] == "none"
    assert report["subject"] == "broker" and report["peer"] in ("127.0.0.1", "::1")
    assert report["cipher"].startswith("TLS-ECDHE-ECDSA-WITH-")
    assert report["connect_ms"] > 0 and report["tls_ms"] >= report["tls_cpu_ms"] > 0
    assert report["wire_in"] > 500 and report["wire_out"] > 500


# ---- clocks that are wrong ----

def test_server_that_begins_later_than_an_untrusted_clock_is_taken_and_told(pki, brokers):
    server = pki.server_not_yet_valid()
    broker = brokers(server=server)
    device = pki.device("link-a")
    report, _ = shake_once(pki, device, broker.port, "untrusted=1")
    assert report["event"] == "ready"
    ahead_days = (report["not_before"] / 1000 - time.time()) / 86400
    assert 29 < ahead_days <= 30
    report, _ = shake_once(pki, device, broker.port)
    assert report["fault"] == "server_cert"
    assert "is not valid yet (valid 20" in report["text"]
    assert report["not_before"] > 0


def test_a_clock_of_1970_is_no_reason_to_stay_away(pki, broker):
    report, _ = shake_once(pki, pki.device("link-a"), broker.port, "untrusted=1", "unix_s=1000")
    assert report["event"] == "ready"
    assert report["not_before"] > 0
    report, _ = shake_once(pki, pki.device("link-a"), broker.port, "unix_s=1000")
    assert "is not valid yet" in report["text"]
    assert "our clock says 1970-01-01" in report["text"]


def test_untrusted_clock_waives_dates_only(pki, other_pki, brokers):
    device = pki.device("link-a")
    broker = brokers(server=pki.server_expired())
    report, _ = shake_once(pki, device, broker.port, "untrusted=1")
    assert report["event"] == "ready" and report["not_before"] == 0
    report, _ = shake_once(pki, device, broker.port, "untrusted=1", ca=other_pki.ca)
    assert "not correctly signed" in report["text"] and report["not_before"] == 0
    report, _ = shake_once(pki, device, broker.port, "untrusted=1", "name=elsewhere")
    assert "is for another host" in report["text"]


# ---- resumption ----

def test_sessions_are_resumed_and_cost_little(pki, broker):
    reports, _ = shake(pki, pki.device("link-a"), broker.port, "resume=1", "repeat=5")
    assert [r["resumed"] for r in reports] == [False, True, True, True, True]
    assert max(r["tls_cpu_ms"] for r in reports[1:]) < reports[0]["tls_cpu_ms"] / 2
    assert all(r["subject"] == "broker" for r in reports)


def test_without_the_wish_nothing_is_resumed(pki, broker):
    reports, _ = shake(pki, pki.device("link-a"), broker.port, "repeat=2")
    assert [r["resumed"] for r in reports] == [False, False]


def test_a_device_revoked_meanwhile_is_not_let_in_by_resumption(pki, broker, probes):
    cert = pki.device("link-revoked-later")
    probe = probes(pki, cert, broker.port, "resume=1")
    assert not probe.event("up")["resumed"]
    probe.send("drop first")
    assert probe.event("up")["resumed"]
    pki.revoke(cert)
    reloads = broker.log().count("Reloading config")
    broker.reload()
    wait_for(lambda: broker.log().count("Reloading config") > reloads, 5, "the list is read")
    probe.send("drop second")
    assert probe.event("down")["why"] == "second"
    down = probe.event("down")
    assert down["fault"] == "own_cert" and "is revoked" in down["why"]
    probe.quit()


# ---- MQTT over it ----

def test_publishes_are_acknowledged_and_messages_arrive(pki, broker, probes):
    device = probes(pki, pki.device("link-a"), broker.port, "subscribe=bl/1/down/link-a/#",
                    "subscribe=bl/1/centre")
    device.event("up")
    centre = probes(pki, pki.device("collector-live"), broker.port, "subscribe=bl/1/up/+/+/live")
    centre.event("up")
    device.send("publish bl/1/up/07/link-a/live 1000 11")
    assert device.event("published") == {"event": "published", "token": 11, "reason": 0}
    message = centre.event("message")
    assert message["topic"] == "bl/1/up/07/link-a/live" and message["len"] == 1000
    assert not message["retained"]
    centre.send("publish bl/1/down/link-a/receipt 20 12")
    assert device.event("message")["topic"] == "bl/1/down/link-a/receipt"
    centre.send("publish bl/1/centre 30 13 retained")
    assert device.event("message")["retained"]
    device.quit()
    centre.quit()


def test_a_refused_publish_comes_back_with_its_reason(pki, broker, probes):
    device = probes(pki, pki.device("link-a"), broker.port)
    device.event("up")
    device.send("publish bl/1/up/07/somebody-else/live 10 21")
    assert device.event("published") == {"event": "published", "token": 21, "reason": 135}
    device.quit()


def test_the_largest_batch_passes_and_one_byte_more_does_not(pki, broker, probes):
    device = probes(pki, pki.device("link-a"), broker.port)
    assert device.event("up")["max_packet"] == 300000
    device.send("publish bl/1/up/07/link-a/live 262145 31")
    assert "larger than the window (262144)" in device.event("error")["text"]
    device.send("publish bl/1/up/07/link-a/live 262144 32")
    assert device.event("published")["token"] == 32
    device.quit()


def test_what_the_broker_would_not_take_is_refused_before_it_is_sent(pki, brokers, probes):
    broker = brokers(max_packet_size=20000)
    device = probes(pki, pki.device("link-a"), broker.port)
    assert device.event("up")["max_packet"] == 20000
    device.send("publish bl/1/up/07/link-a/live 20000 31")
    error = device.event("error")
    assert error["code"] == "full" and "larger than the broker takes (20000)" in error["text"]
    device.send("publish bl/1/up/07/link-a/live 19900 32")
    assert device.event("published")["token"] == 32
    assert device.stats()["connects"] == 1
    device.quit()


def test_will_is_published_when_killed_and_not_after_a_good_bye(pki, broker, probes):
    centre = probes(pki, pki.device("collector-live"), broker.port,
                    "subscribe=bl/1/up/+/+/presence")
    centre.event("up")
    for kill in (True, False):
        device = probes(pki, pki.device("link-a"), broker.port,
                        "will=bl/1/up/07/link-a/presence")
        device.event("up")
        if kill:
            device.end()
            assert centre.event("message")["topic"] == "bl/1/up/07/link-a/presence"
        else:
            device.quit()
    # The good-bye came first; a message that follows it would have followed the will as well.
    centre.send("publish bl/1/up/07/marker/presence 1 1")
    assert centre.event("message")["topic"] == "bl/1/up/07/marker/presence"
    centre.quit()


def test_stop_says_good_bye_and_start_comes_back(pki, broker, probes):
    device = probes(pki, pki.device("link-a"), broker.port)
    device.event("up")
    device.send("stop")
    down = device.event("down")
    assert down["retry_ms"] == -1 and down["why"] == "stopped"
    assert device.stats()["state"] == 0
    device.send("start")
    device.event("up")
    device.quit()


def test_broker_killed_again_and_again_loses_and_doubles_nothing(pki, broker, probes):
    device = probes(pki, pki.device("link-a"), broker.port, "resume=1", "puback_ms=30000")
    device.event("up")
    files = device.open_files()
    device.send("flood bl/1/up/07/link-a/live 20000 200")
    for _ in range(10):
        before = device.stats()["published"]
        broker.kill()
        device.event("down")
        broker.start()
        device.event("up")
        wait_for(lambda: device.stats()["published"] > before + 100
                 or any(e["event"] == "flooded" for e in device.seen), 10,
                 "publishing goes on")
    if not any(e["event"] == "flooded" for e in device.seen):
        device.event("flooded", 60)
    flooded = next(e for e in device.seen if e["event"] == "flooded")
    assert flooded == {"event": "flooded", "acked": 20000, "doubled": 0}
    assert device.stats()["connects"] == 11
    assert device.open_files() == files
    device.quit()


def test_stopped_broker_is_noticed_by_the_missing_puback(pki, broker, probes):
    device = probes(pki, pki.device("link-a"), broker.port, "puback_ms=1000", "phase_ms=500")
    device.event("up")
    broker.pause()
    began = time.monotonic()
    device.send("publish bl/1/up/07/link-a/live 100 41")
    down = device.event("down")
    took = time.monotonic() - began
    assert down["fault"] == "timeout"
    assert down["why"] == "the broker acknowledged none of 1 messages for 1000 ms"
    assert took > 0.9  # the second of puback_ms, not the wait for the event
    broker.resume()
    device.event("up", 20)
    device.quit()


def test_broker_stopped_before_connack_is_noticed(pki, probes, other_pki):
    server = ScriptedBroker(pki, pki.server(), [])
    device = probes(pki, pki.device("link-a"), server.port, "phase_ms=400")
    down = device.event("down")
    assert down["fault"] in ("timeout", "lost", "peer_closed")
    device.quit()
    server.close()


def test_slow_network_is_not_taken_for_a_dead_one(pki, broker, probes):
    # 48 KiB at 32 KiB/s take twice the deadline, and bytes move all the while.
    proxy = Proxy(broker.port, rate_bytes_s=32 * 1024)
    device = probes(pki, pki.device("link-a"), proxy.port, "puback_ms=750", "phase_ms=5000")
    device.event("up", 20)
    device.send("flood bl/1/up/07/link-a/live 4 49152")
    flooded = device.event("flooded", 40)
    assert flooded["acked"] == 4
    assert device.stats()["connects"] == 1
    device.quit()
    proxy.close()


def test_cut_network_is_named_and_mended(pki, broker, probes):
    proxy = Proxy(broker.port)
    device = probes(pki, pki.device("link-a"), proxy.port)
    device.event("up")
    proxy.cut()
    down = device.event("down")
    assert down["fault"] == "lost" and "connection to localhost" in down["why"]
    device.event("up")
    device.quit()
    proxy.close()


# ---- the broker's refusals ----

def test_client_id_that_is_not_authorised_becomes_a_sentence(pki, brokers, probes):
    broker = brokers()
    config = broker.folder / "mosquitto.conf"
    config.write_text("clientid_prefixes allowed-\n" + config.read_text())
    broker.kill()
    broker.start()
    device = probes(pki, pki.device("link-a"), broker.port)
    down = device.event("down")
    assert down["fault"] == "broker"
    assert down["why"] == "the broker refused the connection: not authorised (MQTT reason 135)"
    device.quit()


@pytest.mark.parametrize("reason,words", [
    (0x85, "the client id is not acceptable"),
    (0x87, "not authorised"),
    (0x88, "server unavailable"),
    (0x97, "quota exceeded"),
])
def test_connack_refusals_become_sentences(pki, probes, reason, words):
    server = ScriptedBroker(pki, pki.server(), [ScriptedBroker.connack(reason), b""])
    device = probes(pki, pki.device("link-a"), server.port)
    down = device.event("down")
    assert down["fault"] == "broker"
    assert down["why"] == f"the broker refused the connection: {words} (MQTT reason {reason})"
    device.quit()
    server.close()


def test_session_taken_over_becomes_a_sentence_and_a_long_wait(pki, probes):
    server = ScriptedBroker(pki, pki.server(), [
        ScriptedBroker.CONNACK, ScriptedBroker.disconnect(0x8E)])
    device = probes(pki, pki.device("link-a"), server.port)
    device.event("up")
    device.send("publish bl/1/up/07/link-a/live 10 51")
    down = device.event("down")
    assert down["fault"] == "broker"
    assert "the broker ended the session: session taken over: another client" in down["why"]
    assert down["retry_ms"] >= 300000
    device.quit()
    server.close()


def test_second_client_with_our_identity_is_hinted_at(pki, broker, probes):
    # Mosquitto before 2.1 gives no reason when it closes the older session.
    cert = pki.device("link-twin")
    first = probes(pki, cert, broker.port, "backoff_ms=5000,5000")
    first.event("up")
    second = probes(pki, cert, broker.port)
    second.event("up")
    down = first.event("down")
    assert "another client" in down["why"]
    second.quit()
    first.quit()


def test_two_machines_with_one_identity_stop_fighting(pki, broker, probes):
    cert = pki.device("link-clone")
    pair = [probes(pki, cert, broker.port, "resume=1", "backoff_ms=20,100") for _ in range(2)]
    seen = []

    def somebody_waits():
        for probe in pair:
            probe.drain()
            seen.extend(e for e in probe.seen if e["event"] == "down" and e["retry_ms"] >= 300000)
        return seen

    wait_for(somebody_waits, 20, "one of the two steps back")
    assert "another client with our id" in seen[0]["why"]
    assert seen[0]["fault"] == "broker"
    for probe in pair:
        probe.quit()


def test_broker_restarted_again_and_again_is_not_taken_for_a_rival(pki, broker, probes):
    device = probes(pki, pki.device("link-a"), broker.port, "resume=1")
    for _ in range(7):
        device.event("up")
        broker.stop()
        assert device.event("down")["retry_ms"] < 1000
        broker.start()
    device.event("up")
    device.quit()


def test_refused_subscription_becomes_a_sentence(pki, probes):
    suback = bytes([0x90, 4, 0, 1, 0, 0x87])
    server = ScriptedBroker(pki, pki.server(), [ScriptedBroker.CONNACK, suback])
    device = probes(pki, pki.device("link-a"), server.port, "subscribe=bl/1/centre")
    down = device.event("down")
    assert down["fault"] == "broker"
    assert down["why"] == "the broker refused a subscription: not authorised (MQTT reason 135)"
    device.quit()
    server.close()


def test_what_is_not_mqtt_ends_the_connection(pki, probes):
    server = ScriptedBroker(pki, pki.server(), [b"HTTP/1.1 200 OK\r\n\r\n" * 4])
    device = probes(pki, pki.device("link-a"), server.port, "phase_ms=500")
    assert device.event("down")["fault"] in ("lost", "timeout", "peer_closed")
    device.quit()
    server.close()


# ---- credentials change under a live connection ----

def test_bad_new_credentials_leave_the_connection_alone(pki, broker, probes):
    a, b = pki.device("link-a"), pki.device("link-b")
    device = probes(pki, a, broker.port)
    device.event("up")
    device.send(f"reload {a.cert} {b.key}")
    assert "do not belong together" in device.event("error")["text"]
    device.send("publish bl/1/up/07/link-a/live 10 61")
    assert device.event("published")["token"] == 61
    assert device.stats()["connects"] == 1
    device.send("drop look again")
    device.event("up")
    device.quit()


def test_good_new_credentials_are_used_at_the_next_connection(pki, broker, probes):
    old, new = pki.device("link-old"), pki.device("link-new")
    device = probes(pki, old, broker.port, "resume=1")
    device.event("up")
    assert "u'link-old'" in broker.log()
    device.send(f"reload {new.cert} {new.key}")
    device.event("reloaded")
    assert "u'link-new'" not in broker.log()
    device.send("drop new certificate")
    assert not device.event("up")["resumed"]
    assert "u'link-new'" in broker.log()
    device.quit()


# ---- environment ----

def test_proxy_in_the_environment_is_refused_and_gets_no_byte(pki, broker):
    proxy = Answering(b"HTTP/1.1 200 OK\r\n\r\n")
    device = pki.device("link-a")
    argv = [program("link_probe"), "mqtt", "localhost", broker.port, pki.ca, device.cert,
            device.key]
    done = subprocess.run(
        [str(a) for a in argv], input="quit\n", capture_output=True, text=True, timeout=30,
        env=clean_environment(http_proxy=f"http://127.0.0.1:{proxy.port}"))
    error = json.loads(done.stdout.splitlines()[0])
    assert error["code"] == "invalid" and "http_proxy" in error["text"]
    assert proxy.received == b""
    proxy.close()


# ---- two connections in one process ----

def test_two_connections_in_one_process_stay_apart(pki, broker):
    one, two = pki.device("link-one"), pki.device("link-two")
    argv = [program("link_pair"), "localhost", broker.port, pki.ca, 4000, 6,
            one.name, one.cert, one.key, two.name, two.cert, two.key]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=100,
                          env=clean_environment())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING: ThreadSanitizer" not in done.stderr, done.stderr
    for line in done.stdout.splitlines():
        result = json.loads(line)
        assert result == {"acked": 4000, "doubled": 0, "connects": 7, "failed": False}


# ---- with a network of our own ----

@pytest.fixture
def network():
    """A network namespace with a loopback of its own; needs root."""
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("nft") is None:
        pytest.skip("needs root, ip and nft")
    name = f"bl-link-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode != 0:
        pytest.skip("network namespaces are not allowed here")
    run = ["ip", "netns", "exec", name]
    subprocess.run([*run, "ip", "link", "set", "lo", "up"], check=True)
    yield run
    subprocess.run(["ip", "netns", "delete", name], check=True)


def test_packets_dropped_while_up_are_noticed(pki, brokers, probes, network):
    broker = brokers(prefix=network)
    device = probes(pki, pki.device("link-a"), broker.port, "user_timeout_ms=1500",
                    "puback_ms=30000", host="127.0.0.1", prefix=network)
    device.event("up")
    rules = f"add table inet t; add chain inet t i {{ type filter hook input priority 0; }}; " \
            f"add rule inet t i tcp dport {broker.port} drop; " \
            f"add rule inet t i tcp sport {broker.port} drop"
    subprocess.run([*network, "nft", rules], check=True)
    device.send("publish bl/1/up/07/link-a/live 100 71")
    down = device.event("down", 15)
    assert down["fault"] == "lost"
    assert "no answer from the network for 1 s (TCP_USER_TIMEOUT)" in down["why"]
    subprocess.run([*network, "nft", "delete table inet t"], check=True)
    device.event("up", 15)
    device.quit()


def test_name_black_hole_ends_at_the_deadline(pki, network, tmp_path):
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\n")
    script = ("import socket,sys,time; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);"
              "s.bind(('127.0.0.1',53)); print('bound',flush=True); time.sleep(60)")
    hole = subprocess.Popen([*network, "/usr/bin/python3", "-c", script], stdout=subprocess.PIPE)
    try:
        assert hole.stdout.readline() == b"bound\n"
        inside = [*network, "unshare", "-m", "sh", "-c",
                  f"mount --bind {resolver} /etc/resolv.conf && exec \"$@\"", "sh"]
        report, ms = shake_once(pki, pki.device("link-a"), 8883, "phase_ms=500",
                                host="broker.example", prefix=inside)
    finally:
        hole.kill()
        hole.wait(10)
    assert report["fault"] == "timeout"
    assert report["text"] == 'name look-up of "broker.example" took longer than 500 ms'
    assert 500 <= ms < QUICK_MS


def test_localhost_works_without_any_network(pki, brokers, network):
    broker = brokers(prefix=network)
    report, _ = shake_once(pki, pki.device("link-a"), broker.port, prefix=network)
    assert report["event"] == "ready"
