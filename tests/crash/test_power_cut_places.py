"""A power cut under an agent that reads logs, and then more than a day without power, so that no id is remembered: what
was read before the newest place that was made durable (agent/src/inlet/inlet_keep.h) does not come again."""

import sqlite3
from contextlib import closing

import pytest

from support.builds import program
from support.image import Image, skip_without_images
from support.wait import free_port, wait_for


@pytest.fixture
def image(tmp_path, processes):
    skip_without_images()
    image = Image(tmp_path, "places", 24)
    yield image
    processes.end_all()
    image.end()


def test_lines_come_once_over_a_power_cut_and_a_day_without_power(tmp_path, processes, image):
    state, log, config = tmp_path / "state", tmp_path / "app.log", tmp_path / "agent.yaml"
    image.mount(state)
    log.write_text("")
    config.write_text(f"""
device: {{id: dev-1, site: shop, part: 3}}
broker: {{host: 127.0.0.1, port: {free_port()}}}
state_dir: state
spool: {{max_bytes: 12MiB}}
interval: 1h
inlets:
  loglines:
    types: [tmpfs, overlay]
    every: 100ms
    watch:
    - name: app
      path: {log}
      from: beginning
      patterns:
      - {{match: 'order (?<no>\\d+)', map: {{report: event, type: shop.order, attributes: {{no: '{{no}}'}}}}}}
""")

    def is_durable():
        try:
            text = (state / "loglines.places.safe").read_text()
        except OSError:
            return False
        return any(line.endswith(f"app\t{log}") and line.split()[2] == str(log.stat().st_size) for line in text.splitlines())

    def accepted():
        with closing(sqlite3.connect(f"file:{state / 'spool.db'}?mode=ro", uri=True, timeout=10)) as spool:
            return spool.execute("SELECT count(*) FROM seen").fetchone()[0]

    def start():
        process = processes.start("agent", [program("branchline-agent"), "run", "--config", config])
        process.wait_log("steps are taken", 20)
        return process

    process = start()
    with log.open("a") as f:
        f.writelines(f"order {n}\n" for n in range(200))
    wait_for(is_durable, 20, "the place is durable", process.log)
    image.cut(process)
    assert is_durable()
    with closing(sqlite3.connect(state / "spool.db")) as spool:
        assert spool.execute("DELETE FROM seen").rowcount == 200
        spool.commit()
    process = start()
    with log.open("a") as f:
        f.write("order 200\n")
    wait_for(lambda: accepted() > 0, 20, "the line is on disk", process.log)
    assert accepted() == 1  # and nothing of what lies before it
