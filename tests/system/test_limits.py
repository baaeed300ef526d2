"""What an agent's own limits refuse is seen: in status, in the log, and in the ledger.  And what samplers keep lies in
the state folder.  No broker: nothing of it needs a link."""

import signal
import stat

from support.wait import free_port, wait_for
from test_agent import Device

MANY = "max_series: {}\nsamplers:\n  synthetic: {{enabled: yes, series: 100}}\n"


def overloads(device):
    return [g for g in device.state()["gaps"] if g["reason"] == "overload"]


def test_refused_series_are_in_status_and_ledger_until_there_is_room(tmp_path, pki, processes):
    device = Device(tmp_path / "agent", pki, free_port(), processes, extra=MANY.format(50)).start()
    wait_for(lambda: device.state()["sampling"]["refused_series"] > 0 and overloads(device), 30,
             "refused series are named in the ledger", device.process.log)
    sampling = device.state()["sampling"]
    # The agent's own series stand beside the cap: they say that it was reached.
    assert sampling["max_series"] == 50 < sampling["series"] <= 80
    assert sampling["newest_refused_series"]
    gap = overloads(device)[-1]
    assert gap["stream"] == "host" and gap["samples"] is None  # nobody knows how many there would be
    words = device.status()
    assert words.returncode == 1 and "series are refused" in words.stdout and "max_series" in words.stdout
    assert "a series is refused" in device.process.log() and "there are max_series already" in device.process.log()

    device.config.write_text(device.config.read_text().replace("max_series: 50", "max_series: 5000"))
    device.process.signal(signal.SIGHUP)
    device.process.wait_log("reloaded changed=yes")
    wait_for(lambda: device.state()["sampling"]["series"] > 100, 30, "all are sampled", device.process.log)
    assert device.state()["sampling"]["refused_series"] == 0
    # The reload ends the time in which they were refused, and names the rest of it.
    wait_for(lambda: sum(g["duration_ms"] for g in overloads(device)) > 0, 30, "the rest of the time is named",
             device.process.log)


def test_places_of_logs_are_kept_by_an_orderly_end_and_used_up_by_the_next_start(tmp_path, pki, processes):
    log = tmp_path / "app.log"
    log.write_text("ERROR of old\n")
    extra = f"samplers:\n  logs:\n    watch: [{{name: app, path: {log}, match: ERROR}}]\n"
    places = tmp_path / "agent" / "state" / "logs.places"
    device = Device(tmp_path / "agent", pki, free_port(), processes, extra=extra).start()
    wait_for(lambda: device.state()["sampling"]["ticks"] > 0, 30, "a tick", device.process.log)
    assert not places.exists()
    device.process.signal(signal.SIGTERM)
    assert device.process.wait(20) == 0
    assert stat.S_IMODE(places.stat().st_mode) == 0o600
    assert f"app\t{log}\n" in places.read_text()
    device.start()
    wait_for(lambda: device.state()["sampling"]["ticks"] > 0, 30, "a tick", device.process.log)
    assert not places.exists()
