"""One user's programs use up what there is for one user: others still report."""

import contextlib
import json
import os
import tempfile
from pathlib import Path

import pytest

from support.steps import Reporter
from support.wait import wait_for
from test_steps import Device, agent

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
NOBODY = 65534


@pytest.fixture
def device(tmp_path, processes):
    with tempfile.TemporaryDirectory(prefix="bl-shares-") as folder:  # pytest's own are closed
        os.chmod(folder, 0o755)
        device = Device(tmp_path / "agent", processes,
                        f"inlets: {{steps: {{socket: {folder}/s, mode: '0666'}}}}\n")
        device.socket = Path(folder) / "s"
        yield device.start()


class Nobody(Reporter):
    """A connection of another user."""

    def __init__(self, path):
        os.seteuid(NOBODY)
        try:
            super().__init__(path)
        finally:
            os.seteuid(0)


def refused(device):
    return device.state()["inlets"]["steps"]["refused"]


def test_connections_of_one_user_leave_places_for_others(device):
    with contextlib.ExitStack() as held:
        last = [held.enter_context(Nobody(device.socket)) for _ in range(64)][-1]
        assert last.ask("event a.b") == "ok"
        for _ in range(20):
            with Nobody(device.socket) as more:
                assert more.hear().startswith(
                    "error: too many connections of this user, who has 64;")
        assert agent("event", "a.b", "--socket", device.socket).returncode == 0
        assert refused(device)["user_clients"] == 20
        assert refused(device)["refused_clients"] == 0


def test_series_of_one_user_leave_some_for_others(device):
    lines = [f"metric flood_{i} 1" for i in range(1200)]
    answers = []
    with Nobody(device.socket) as flood:
        for i in range(0, len(lines), 16):
            flood.say("\n".join(lines[i:i + 16]))
            answers += [flood.hear() for _ in lines[i:i + 16]]
    assert answers[:1000] == ["ok"] * 1000
    assert set(answers[1000:]) == {"error: this user has as many series as one may have"}
    done = agent("metric", "load", "1", "--socket", device.socket, "--json")
    assert json.loads(done.stdout)["result"] == "accepted"
    assert refused(device)["too_many_series"] == 200
    assert refused(device)["bad_lines"] == 0

    def counted():
        now = json.loads(agent("top", "--json", "--state", device.state_dir).stdout)
        return "too_many_series" in json.dumps(now)
    wait_for(counted, 20, "a series that counts what was refused")
