"""What leaves the centre: e-mail through a real SMTP server, webhooks to a receiver that checks them.

Each test sends the channel's own test message; whether rules send theirs is in test_rules.py.
"""

import json
import signal
import sqlite3
from contextlib import closing

import pytest

from support.centre import PEOPLE, Centre
from support.wait import wait_for
from support.webhook import Receiver


@pytest.fixture(scope="module")
def one_centre(tmp_path_factory, pki):
    made = Centre(tmp_path_factory.mktemp("centre"), pki)
    yield made
    made.close()


@pytest.fixture
def centre(one_centre):
    """The same for all tests here, with a mail server that runs and is in a good mood."""
    c = one_centre
    c.mail.stop()
    c.mail.cert, c.mail.bad = c.pki.server(), {}
    c.mail.letters.clear(), c.mail.script.clear()
    c.hook.script.clear(), c.hook.calls.clear(), c.hook.effects.clear()
    c.mail.start()
    return c


# ---- e-mail ----


def test_a_letter_goes_out_over_starttls_signed_in(centre):
    before = centre.mail.signed_in
    message = centre.settled(centre.test_message())
    assert message["state"] == "sent" and message["sent_unix_ms"] >= message["created_unix_ms"]
    (letter,) = centre.mail.letters
    assert letter.to == tuple(PEOPLE) and letter.kind == "test"
    assert letter.subject == message["subject"] and "try the channel" in letter.text
    assert centre.mail.signed_in == before + 1


def test_a_letter_waits_for_a_server_that_is_down(centre):
    centre.mail.stop()
    number = centre.test_message()
    waiting = centre.tried(number)
    assert waiting["state"] == "waiting" and waiting["answer"] and not centre.mail.letters
    centre.mail.start()
    assert centre.settled(number)["state"] == "sent"
    assert len(centre.mail.letters) == 1


def test_a_refusal_for_the_moment_is_tried_again_under_the_same_id(centre):
    tries = centre.mail.tries
    centre.mail.script = ["451 4.3.0 try later", "452 4.2.2 mailbox full"]
    message = centre.settled(centre.test_message(), 90)
    assert message["state"] == "sent" and message["tries"] == 3
    assert centre.mail.tries == tries + 3 and len(centre.mail.letters) == 1


def test_a_refusal_for_good_is_shown_and_not_tried_again(centre):
    tries = centre.mail.tries
    centre.mail.script = ["554 5.7.1 we want none of this"]
    message = centre.settled(centre.test_message())
    assert message["state"] == "refused" and message["tries"] == 1
    assert "554 5.7.1 we want none of this" in message["answer"]
    # The next message shows that the channel goes on, and that the refused one does not come again.
    assert centre.settled(centre.test_message())["state"] == "sent"
    assert centre.mail.tries == tries + 2 and len(centre.mail.letters) == 1


def test_one_bad_address_does_not_keep_the_letter_from_the_others_and_is_named(centre):
    centre.mail.bad = {PEOPLE[0]: "550 5.1.1 nobody of that name"}
    message = centre.settled(centre.test_message())
    assert message["state"] == "sent" and "550 5.1.1 nobody of that name" in message["answer"]
    (letter,) = centre.mail.letters
    assert letter.to == (PEOPLE[1],)


def test_all_addresses_bad_is_a_refusal(centre):
    centre.mail.bad = {address: "550 5.1.1 nobody of that name" for address in PEOPLE}
    message = centre.settled(centre.test_message())
    assert message["state"] == "refused" and "550 5.1.1 nobody of that name" in message["answer"]
    assert not centre.mail.letters


@pytest.mark.parametrize("which", ["other CA", "other host", "expired"])
def test_a_letter_and_the_password_stay_here_when_the_server_is_another(centre, other_pki, which):
    centre.mail.stop()
    centre.mail.cert = {"other CA": other_pki.server, "other host": centre.pki.server_other_host,
                        "expired": centre.pki.server_expired}[which]()
    centre.mail.start()
    signed_in = centre.mail.signed_in
    number = centre.test_message()
    message = centre.tried(number)
    assert message["state"] == "waiting" and "certificate" in message["answer"].lower(), message
    assert not centre.mail.letters and centre.mail.signed_in == signed_in
    centre.mail.stop()
    centre.mail.cert = centre.pki.server()
    centre.mail.start()
    assert centre.settled(number)["state"] == "sent"


def test_a_ca_of_our_own_stands_in_place_of_the_systems(centre, tmp_path, processes):
    """libcurl would trust both: what it reads shows what it trusts."""
    trace = tmp_path / "trace"
    strace = processes.start("strace", ["strace", "-f", "-e", "trace=open,openat", "-o", trace, "-p",
                                        str(centre.org.collector.pid)])
    try:
        wait_for(lambda: "attached" in strace.log() or not strace.running(), 20, "strace is attached", strace.log)
        if not strace.running():
            pytest.skip(f"nothing can be traced here: {strace.log()}")
        assert centre.settled(centre.test_message())["state"] == "sent"
    finally:
        strace.signal(signal.SIGINT)
        strace.wait(10)
    opened = trace.read_text(errors="replace")
    assert str(centre.pki.ca) in opened and "/etc/ssl/certs" not in opened


def test_a_server_without_starttls_gets_nothing(centre):
    centre.mail.stop()
    centre.mail.cert = None
    centre.mail.start()
    signed_in = centre.mail.signed_in
    number = centre.test_message()
    message = centre.tried(number)
    assert message["state"] == "waiting" and message["answer"]
    assert not centre.mail.letters and centre.mail.signed_in == signed_in
    centre.mail.stop()
    centre.mail.cert = centre.pki.server()
    centre.mail.start()
    assert centre.settled(number)["state"] == "sent"


def test_a_plain_server_on_this_machine_with_signing_in(tmp_path, pki):
    c = Centre(tmp_path, pki, security="plain", private="false")
    try:
        c.mail.start()
        assert c.settled(c.test_message())["state"] == "sent"
        assert len(c.mail.letters) == 1 and c.mail.signed_in == 1
        # A webhook into our own network, which nobody has allowed here.
        message = c.tried(c.test_message("hook"))
        assert message["state"] == "waiting" and "private" in message["answer"], message
        assert not c.hook.calls
    finally:
        c.close()


# ---- webhooks ----


def test_a_webhook_is_signed_and_keeps_its_id_when_it_is_tried_again(centre):
    centre.hook.script = [(500, {}), (503, {})]
    number = centre.test_message("hook")
    message = centre.settled(number, 90)
    assert message["state"] == "sent" and message["tries"] == 3
    assert [c.answered for c in centre.hook.calls] == [500, 503, 204]
    assert all(c.good for c in centre.hook.calls), centre.hook.calls
    assert len({c.id for c in centre.hook.calls}) == 1 and len({c.body for c in centre.hook.calls}) == 1
    (body,) = centre.hook.effects.values()
    assert body["type"] == "incident.test" and body["data"]["subject"] == message["subject"]
    assert body["timestamp_unix_ms"] == message["created_unix_ms"]


def test_a_wrong_secret_is_seen_by_the_receiver(centre):
    """The check itself can fail: with another secret the same message is not good."""
    right, centre.hook.secret = centre.hook.secret, "whsec_" + "A" * 32
    try:
        centre.settled(centre.test_message("hook"))
        assert [c.good for c in centre.hook.calls] == [False]
    finally:
        centre.hook.secret = right


def test_retry_after_is_heeded(centre):
    centre.hook.script = [(429, {"Retry-After": "12"})]
    assert centre.settled(centre.test_message("hook"), 90)["state"] == "sent"
    first, second = centre.hook.calls
    assert second.at - first.at >= 12


def test_a_redirect_is_not_followed(centre):
    other = Receiver()
    other.secret = centre.hook.secret
    try:
        centre.hook.script = [(307, {"Location": other.url}), (302, {"Location": other.url})]
        message = centre.settled(centre.test_message("hook"), 90)
        assert message["state"] == "sent" and message["tries"] == 3
        assert not other.calls and len(centre.hook.calls) == 3
    finally:
        other.close()


def test_a_receiver_that_is_gone_for_good_is_not_asked_again(centre):
    centre.hook.script = [(410, {})]
    message = centre.settled(centre.test_message("hook"))
    assert message["state"] == "refused" and "410" in message["answer"] and message["tries"] == 1


def test_the_secret_is_shown_once_and_in_no_answer_after(centre):
    secret = centre.hook.secret
    for path in ("/channels", "/channels/hook", "/channels/hook/versions", "/messages"):
        assert secret not in json.dumps(centre.org.api("GET", path)), path
    assert secret not in centre.org.collector.log()
    with closing(sqlite3.connect(centre.org.folder / "collector" / "control.db")) as db:
        (kept,) = db.execute("SELECT count(*) FROM channel_secret WHERE secret = ?", (secret,)).fetchone()
        audit = db.execute("SELECT * FROM audit").fetchall()
    assert kept == 1 and len(audit) > 1 and secret not in str(audit)


def test_what_waits_is_sent_after_a_kill_and_only_once_where_the_id_is_honoured(centre):
    centre.mail.stop()
    centre.hook.script = [(500, {})] * 2
    letters, calls = centre.test_message(), centre.test_message("hook")
    centre.tried(letters), centre.tried(calls)
    centre.org.collector.kill()
    centre.mail.start()
    centre.org.start_collector()
    assert centre.settled(letters, 90)["state"] == "sent" and centre.settled(calls, 90)["state"] == "sent"
    assert len({x.id for x in centre.mail.letters}) == 1 and len(centre.hook.effects) == 1
