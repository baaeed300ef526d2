"""Names that come late, are wrong, or change: a network namespace with a name server of our own.

The broker is `broker.branch.test`; a captive portal or somebody else's server stands at another address, and
gets nothing of ours.
"""

import subprocess

import pytest

from support.names import ADDRESSES, Names
from support.wait import wait_for

NAME = "broker.branch.test"
RIGHT, WRONG, MOVED, DEAD = ADDRESSES

# A portal: whatever is said to it, it answers with a page, and writes down what it heard.
PORTAL = """
import socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("serving", flush=True)
while True:
    sock, _ = server.accept()
    sock.settimeout(2)
    try:
        print(sock.recv(65536).hex(), flush=True)
        sock.sendall(b"HTTP/1.1 302 Found\\r\\nLocation: http://portal.test/\\r\\n\\r\\n")
    except OSError:
        pass
    sock.close()
"""


@pytest.fixture
def network(tmp_path):
    made = Names(tmp_path)
    if made.reason is not None:
        pytest.skip(made.reason)
    yield made
    made.close()


@pytest.fixture
def broker(brokers, pki, network):
    return brokers(server=pki.server("names", san=f"DNS:{NAME}"), address="0.0.0.0",
                   prefix=network.prefix)


@pytest.fixture
def portal(network, broker):
    """Stands at WRONG, on the broker's port; its output is what it heard, a line of hexadecimal each time."""
    # The broker has every address; what goes to this one is led to the portal.
    process = network.popen("/usr/bin/python3", "-c", PORTAL, WRONG, str(broker.port - 1),
                            stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "serving\n"
    network.run("nft", f"add table ip p; add chain ip p o {{ type nat hook output priority -100; }}; "
                f"add rule ip p o ip daddr {WRONG} tcp dport {broker.port} "
                f"dnat to {WRONG}:{broker.port - 1}")
    yield process
    process.kill()
    process.wait(10)


def device(pki, probes, network, broker, *options):
    return probes(pki, pki.device("link-a"), broker.port, *options, host=NAME,
                  prefix=network.prefix)


def peer(probe):
    return probe.event("up", 20)["peer"]


def test_a_name_server_that_appears_later_is_used_without_a_restart(pki, probes, network, broker):
    probe = device(pki, probes, network, broker, "phase_ms=3000")  # so long is a silent name server waited for
    down = probe.event("down")
    assert down["fault"] == "dns" and f'name look-up of "{NAME}"' in down["why"]
    network.serve({})
    network.resolver(RIGHT)
    wait_for(lambda: "not known" in probe.event("down")["why"], 10, "the new name server is asked")
    network.serve({NAME: [RIGHT]})
    assert peer(probe) == RIGHT
    # And another one, that is silent: the last good address serves.
    network.resolver(MOVED)
    probe.send("drop once more")
    assert peer(probe) == RIGHT
    probe.quit()


def test_a_wrong_answer_is_named_and_the_right_one_taken_when_it_comes(pki, probes, network, broker,
                                                                        portal):
    network.serve({NAME: [WRONG]})
    network.resolver(RIGHT)
    probe = device(pki, probes, network, broker)
    down = probe.event("down")
    assert down["fault"] == "portal"
    assert f"{NAME}:{broker.port} ({WRONG}) does not speak TLS, it is a web server or captive portal" \
        in down["why"] and 'leads to "portal.test"' in down["why"]
    network.serve({NAME: [RIGHT]})
    assert peer(probe) == RIGHT
    probe.quit()
    portal.kill()
    heard = [bytes.fromhex(line) for line in portal.stdout.read().split()]
    assert heard and all(data[:1] == b"\x16" and b"link-a" not in data for data in heard)


def test_the_last_good_address_is_tried_while_the_name_is_wrong(pki, probes, network, broker, portal):
    network.serve({NAME: [RIGHT]})
    network.resolver(RIGHT)
    probe = device(pki, probes, network, broker)
    assert peer(probe) == RIGHT
    network.serve({NAME: [WRONG]})
    probe.send("drop the name is wrong from now on")
    assert probe.event("down")["why"] == "the name is wrong from now on"
    assert probe.event("down")["fault"] == "portal"
    assert peer(probe) == RIGHT
    # Nobody at the address of the name: within the same attempt.
    network.run("ip", "route", "add", "blackhole", "10.78.0.1")
    network.serve({NAME: ["10.78.0.1"]})
    probe.send("drop again")
    assert probe.event("down")["why"] == "again"
    assert peer(probe) == RIGHT
    probe.quit()


def test_of_several_addresses_the_one_that_answers_rightly_is_found(pki, probes, network, broker, portal):
    network.serve({NAME: [WRONG, MOVED]})
    network.resolver(RIGHT)
    probe = device(pki, probes, network, broker)
    assert probe.event("down")["fault"] == "portal"
    assert peer(probe) == MOVED
    probe.quit()


def test_a_broker_that_moves_is_followed(pki, probes, network, broker):
    network.serve({NAME: [RIGHT]})
    network.resolver(RIGHT)
    probe = device(pki, probes, network, broker, "resume=1")
    assert peer(probe) == RIGHT
    network.serve({NAME: [MOVED]})
    probe.send("drop moved")
    assert peer(probe) == MOVED
    probe.quit()
