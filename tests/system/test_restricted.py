"""An agent behind networks that let out little: everything made by the public tools, real programs throughout.

The broker is reached over WebSocket through an HTTP proxy that wants a password, stalls, cuts and for a while
shows a login page instead. Nothing may be lost or doubled, and what is wrong must stand in status and diagnose.
"""

import os
import subprocess

import pytest

from support.broker import Broker
from support.builds import program
from support.connect_proxy import ConnectProxy
from support.oracle import Spool, Store, arrive_in_full, check_values, load
from support.org import Agent, Organisation
from support.wait import free_port, wait_for

LOGIN_PAGE = (b"HTTP/1.1 302 Found\r\nLocation: http://login.hotel.example/welcome?room=7\r\n"
              b"Content-Type: text/html\r\n\r\n<html>please sign in</html>")


@pytest.fixture
def restricted(tmp_path, processes):
    """An organisation whose device comes over WebSocket and a proxy; (org, agent, proxy)."""
    port = free_port()
    org = Organisation(tmp_path, processes, init=["--websocket-port", str(port)])
    proxy = ConnectProxy(names={"127.0.0.1": ("127.0.0.1", None)}, user="till:geheim-2026")
    org.start()
    org.tool("site", "add", "North")
    agent = org.add_agent("north", "till", options=[
        "--websocket", "--proxy", f"http://127.0.0.1:{proxy.port}", "--proxy-user", "till"])
    agent.base = agent.config.read_text() + "\n"
    agent.config.write_text(agent.base + load(20))
    password = agent.folder / "proxy-password"
    password.write_text("geheim-2026\n")
    password.chmod(0o600)
    assert f"port: {port}\n" in agent.config.read_text()
    yield org, agent, proxy
    proxy.close()


def diagnose(agent):
    return subprocess.run([program("branchline-agent"), "diagnose", "--config", agent.config],
                          capture_output=True, text=True, timeout=60)


def link(agent):
    return agent.status()["link"]


def test_delivery_over_websocket_through_a_proxy_that_stalls_cuts_and_shows_a_login_page(restricted):
    org, agent, proxy = restricted
    (agent.folder / "proxy-password").chmod(0o644)
    told = diagnose(agent)
    assert "it lets us through to 127.0.0.1" in told.stdout and "WebSocket      ok" in told.stdout
    agent.start()
    spool = Spool(agent)
    wait_for(lambda: spool.accepted() >= 60, 60, "samples are accepted", agent.process.log)
    seen = wait_for(lambda: (org.api("GET", f"/devices/{agent.device}").get("report") or {}).get("link"),
                    30, "the device reports its link", agent.process.log)
    assert seen["transport"] == "websocket" and seen["via_proxy"]
    assert seen["local_address"] == "127.0.0.1" and seen["max_packet_bytes"] == 270336
    text = subprocess.run([program("branchline-agent"), "status", "--config", agent.config],
                          capture_output=True, text=True, timeout=20).stdout
    assert f"over WebSocket through the proxy http://127.0.0.1:{proxy.port}" in text

    if os.environ.get("BL_LONG"):
        proxy.stall()
        agent.step("event", "--case", "4711", "--process", "order", "status=new")  # goes out at once
        wait_for(lambda: link(agent)["state"] != "up", 60, "the stall is noticed", agent.process.log)
        proxy.flow()
        wait_for(lambda: link(agent)["state"] == "up", 60, "it is back", agent.process.log)

    told_before = len(proxy.first)
    proxy.answer = LOGIN_PAGE
    proxy.cut()
    wait_for(lambda: link(agent)["fault"] == "portal", 30, "the login page is named", agent.process.log)
    assert 'captive portal or login page: it sent "302 Found" and leads to "login.hotel.example"' \
        in link(agent)["why"]
    told = diagnose(agent)
    assert told.returncode == 1 and "somebody has to sign in there" in told.stdout
    assert "room=7" not in told.stdout + agent.process.log()
    assert proxy.first[told_before:] == [], "something was said to the login page"
    proxy.answer = None
    wait_for(lambda: link(agent)["state"] == "up", 90, "it is back", agent.process.log)

    arrive_in_full(org, agent, agent.base)
    assert check_values(Store(org), agent.device) >= 60

    # Another way, taken in without a restart: straight to the broker's own port.
    direct = agent.base.split("  transport:")[0].replace(f"port: {link(agent)['port']}", f"port: {org.broker_port}")
    agent.base = direct + "  ca: ca.pem\n  certificate: certificate.pem\n  key: key.pem\nstate_dir: state\n"
    agent.config.write_text(agent.base + load(20))
    agent.process.signal(1)
    agent.process.wait_log("transport=tcp proxy=none", 30)

    assert "proxy-password can be read by others (mode 644); make it 0600" in agent.process.log()
    everything = agent.process.log() + told.stdout + text + str(agent.status())
    assert "geheim" not in everything


def test_a_revoked_device_loses_its_connection_over_websocket(restricted):
    org, agent, proxy = restricted
    agent.start()
    agent.process.wait_log("connected broker=", 30)
    said = org.tool("device", "revoke", agent.device).stdout
    assert "also on a connection that is open" in said
    # The broker looks at a certificate when something comes or goes; the next batch is up to a minute away.
    wait_for(lambda: f"{agent.device} shows a revoked certificate" in org.broker.log(), 90,
             "the broker notices", org.broker.log)
    wait_for(lambda: link(agent)["state"] != "up", 30, "the broker ends it", agent.process.log)
    assert "Reloading config" not in org.broker.log()
    lines = org.tool("device", "issue", agent.device, "--websocket", "--proxy",
                     f"http://127.0.0.1:{proxy.port}", "--proxy-user", "till").stdout.splitlines()
    done = subprocess.run([program("branchline-agent"), "setup", lines[1], "--dir", agent.folder],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and "its agent.yaml was kept" in done.stdout, done.stdout + done.stderr
    agent.process.signal(1)
    wait_for(lambda: agent.status()["uplink"]["state"] == "ready", 90, "the new certificate is taken",
             agent.process.log)
    # With a connection over WebSocket that is open.
    assert org.broker.stop() == 0


@pytest.mark.parametrize("answer,step,words,advice", [
    (b"HTTP/1.1 407 Auth\r\nProxy-Authenticate: NTLM\r\n\r\n", "proxy",
     "wants a user name and a password (407, it offers NTLM)", "look at broker.proxy"),
    (b"HTTP/1.1 403 Forbidden\r\n\r\n", "proxy", "forbids connections to broker.branch.internal:443",
     "ask the people of the proxy"),
    (LOGIN_PAGE, "proxy", 'leads to "login.hotel.example"', "somebody has to sign in there"),
    (b"HTTP/1.1 200 OK\r\n\r\n<html>sign in", "TLS", "web server or captive portal",
     "somebody has to sign in there"),
    (None, "TLS", "captive portal or TLS inspection in between", "the broker has to be excepted from it"),
])
def test_diagnose_names_what_stands_in_the_way(tmp_path, pki, other_pki, answer, step, words, advice):
    names = {}
    if answer is None:
        box = Broker(tmp_path / "box", other_pki, server=other_pki.server(
            "inspector", san="DNS:broker.branch.internal")).start()
        names = {"broker.branch.internal": ("127.0.0.1", box.port)}
    proxy = ConnectProxy(answer=answer, names=names)
    device = pki.device("link-a")
    agent = Agent(None, "link-a", tmp_path)
    agent.config.write_text(
        "device: {id: link-a, site: shop, part: 7}\nstate_dir: state\n"
        f"broker: {{host: broker.branch.internal, port: 443, ca: {pki.ca}, certificate: {device.cert},"
        f" key: {device.key}, proxy: {{url: 'http://127.0.0.1:{proxy.port}'}}}}\n")
    told = diagnose(agent)
    proxy.close()
    assert told.returncode == 1
    failed = [line for line in told.stdout.splitlines() if " FAILED " in line]
    assert len(failed) == 1 and failed[0].startswith(step) and words in failed[0], told.stdout
    assert advice in told.stdout
    assert b"link-a" not in b"".join(proxy.first)
    if answer is None:
        assert "u'link-a'" not in box.log()
        box.stop()


def listeners(pid):
    done = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, timeout=10)
    return {line.split()[3] for line in done.stdout.splitlines() if f"pid={pid}," in line}


def test_the_websocket_port_is_opened_where_asked_and_taken_back(tmp_path, processes):
    org = Organisation(tmp_path, processes)
    conf = org.folder / "broker" / "mosquitto.conf"
    without = conf.read_text()
    assert "websockets" not in without and "plugin" not in without
    done = org.tool("device", "add", "north", "till", "--websocket", check=False)
    assert done.returncode == 1 and "`branchline init --websocket-port N` makes one" in done.stderr
    for port in (org.broker_port, org.board_port):
        done = org.tool("init", "--websocket-port", str(port), check=False)
        assert done.returncode == 1 and "needs a port of its own" in done.stderr
    port = free_port()
    org.tool("init", "--websocket-port", str(port))
    org.start_broker()
    # Mosquitto would take every address of the machine for WebSocket, were it not told otherwise.
    wait_for(lambda: len(listeners(org.broker.pid)) == 2, 10, "both listeners", org.broker.log)
    assert listeners(org.broker.pid) == {f"127.0.0.1:{org.broker_port}", f"127.0.0.1:{port}"}
    org.broker.stop()
    (org.folder / "ca" / "revoked").write_text("no serial\n")
    broker = processes.start("mosquitto-bad", org.broker.argv)
    assert broker.wait(10) != 0, "a list that cannot be read must not be taken for an empty one"
    assert "ca/revoked cannot be read" in broker.log()
    org.tool("init", "--websocket-port", "0")
    assert conf.read_text() == without


@pytest.mark.parametrize("options,words", [
    (["--proxy", "proxy.example:3128"], "expected an address like http://proxy.example:3128"),
    (["--proxy", 'http://a"b:1'], "expected an address like"),
    (["--proxy-user", "till"], "with --proxy"),
    (["--proxy", "http://p:1", "--proxy-user", "a:b"], "without colon"),
])
def test_a_way_that_cannot_be_is_refused_before_a_device_is_made(tmp_path, options, words):
    done = subprocess.run([program("branchline"), "device", "add", "north", "till", *options,
                           "--state", tmp_path / "none"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and words in done.stderr, done.stderr
