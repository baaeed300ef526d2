"""What an agent says of its own sampling arrives: safe mode after a crash loop, and what its limits leave out."""

import signal
import socket

from support.process import clean_environment
from support.wait import free_port, wait_for
from test_agent import Device
from test_counters import make, network, send  # noqa: F401  the fixture


def sampling(org, agent):
    report = org.api("GET", f"/devices/{agent.device}")["report"]
    return None if report is None else report["sampling"]


def test_safe_mode_is_seen_at_the_centre_until_somebody_looks(organisation, tmp_path):
    organisation.tool("site", "add", "Shop")
    agent = organisation.add_agent("shop", "till", config="interval: 1s\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        env = clean_environment(NOTIFY_SOCKET=str(tmp_path / "notify"))

        def ready():
            while "READY=1" not in manager.recv(4096).decode():
                pass
        for _ in range(5):
            agent.start(env=env)
            ready()
            agent.kill()
        agent.start(env=env)
        ready()
        wait_for(lambda: (sampling(organisation, agent) or {}).get("safe_mode"), 60, "the centre knows of safe mode",
                 agent.process.log)
        said = organisation.api("GET", f"/devices/{agent.device}")["report"]
        assert 0 < said["sampling"]["whole_unix_ms"] - said["at_unix_ms"] <= 30 * 60000
        assert said["sampling"]["series_refused"] == said["sampling"]["probe_results_dropped"] == 0
        agent.process.signal(signal.SIGHUP)
        wait_for(lambda: not sampling(organisation, agent)["safe_mode"], 60, "the centre knows that it is over",
                 agent.process.log)
        assert sampling(organisation, agent)["whole_unix_ms"] is None


def test_what_a_samplers_limit_leaves_out_is_in_the_ledger(tmp_path, pki, processes, network):  # noqa: F811
    make(network, "till0")
    send(network, "till0", 5)
    extra = "samplers:\n  network: {include: [\"till0*\"], max_interfaces: 1}\n"
    device = Device(tmp_path / "agent", pki, free_port(), processes, extra=extra).start(prefix=network)
    wait_for(lambda: any(g["reason"] == "overload" and g["stream"] == "host" and g["samples"] is None
                         for g in device.state()["gaps"]), 60, "it is in the ledger", device.process.log)
    assert "a sampler's limit leaves things out: net_interfaces_skipped=1" in device.process.log()
