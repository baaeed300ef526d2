"""Monitoring plug-ins with a real agent beside them that is killed again and again: what its spool holds in the end is what they
said, once."""

import itertools
import os
import random
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from support.builds import program
from support.oracle import QUIET
from support.plugins import Plugins, check, place, script, writable  # noqa: F401
from support.seed import chance_seed
from support.wait import free_port, wait_for

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "contract"))
import wire_decoder  # noqa: E402

KILLS = 60 if os.environ.get("BL_LONG") else 4

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="plug-ins have to be root's, and so has this test")


class Till:
    def __init__(self, place, folder, processes):  # noqa: F811
        self.processes, self.config, self.state = processes, folder / "agent.yaml", folder / "state"
        self.config.write_text(
            f"device: {{id: dev-1, site: shop, part: 3}}\nbroker: {{host: 127.0.0.1, port: {free_port()}}}\nstate_dir: state\n"
            f"interval: 1s\ninlets: {{steps: {{socket: {place}/steps.sock, mode: '0666'}}}}\n{QUIET}")
        self.starts = 0

    def start(self):
        self.starts += 1
        self.process = self.processes.start("agent", [program("branchline-agent"), "run", "--config", self.config])
        self.process.wait_log("started device=", 20, self.starts)

    def spool(self):
        """Series as (name, labels, unit, kind) with their samples, and events; a start cuts what an earlier run left open."""
        self.start()
        assert self.process.stop() == 0
        with closing(sqlite3.connect(self.state / "spool.db")) as db:
            series = {entry: wire_decoder.series_def(wire_decoder.Reader(definition), entry)
                      for entry, definition in db.execute("SELECT id, def FROM dict")}
            batches = [wire_decoder.decode(message) for message, in db.execute("SELECT msg FROM body ORDER BY id")]
        samples, events = {}, []
        for batch in batches:
            events += batch["events"]
            for column in batch["series"]:
                samples.setdefault(column["id"], []).extend(zip(column["times"], column["values"]))
        return [(series[entry], sorted(found)) for entry, found in samples.items()], events


def of(series, name, **labels):
    """The samples of the one series of this name with these labels; its definition before them."""
    (one,) = [(d, found) for d, found in series if d["name"] == name and labels.items() <= dict(d["labels"]).items()]
    return one


def test_each_run_is_in_the_spool_once_over_every_death_of_the_agent(place, tmp_path, processes):  # noqa: F811
    seed = chance_seed()
    print(f"seed {seed} (BL_SEED repeats it)")
    rng = random.Random(seed)
    till = Till(place, tmp_path, processes)
    till.start()
    runs = writable(place / "runs")
    values = " ".join(f"'v {i}'={i}.5s;1;2;0" for i in range(10))
    plugin = script(place / "count", f"echo run >> {runs}; n=$(wc -l < {runs}); echo \"Lauf $n läuft | n=${{n}}c {values}\"; exit $((n % 2))")
    one = Plugins(place, processes, check("count", plugin)).start()

    def runs_more(n):
        until = len(runs.read_text().splitlines()) + n
        wait_for(lambda: len(runs.read_text().splitlines()) >= until, 60, "it runs", one.process.log)

    for _ in range(KILLS):
        runs_more(rng.randrange(1, 4))  # what the last one said is told about now
        till.process.kill()
        if rng.random() < 0.5:
            runs_more(1)
        till.start()
    runs_more(2)
    one.write()
    reloads = itertools.count(1)

    def all_is_told():
        one.process.signal(signal.SIGHUP)
        one.process.wait_log("reloaded checks=0 waiting=", 20, next(reloads))
        return "reloaded checks=0 waiting=0\n" in one.process.log()

    wait_for(all_is_told, 60, "nothing waits any more", one.process.log)
    n = len(runs.read_text().splitlines())
    told = one.process.log().count("check count is ")
    assert one.process.stop(20) == 0
    assert till.process.stop() == 0
    series, events = till.spool()

    definition, found = of(series, "plugin_total", check="count", label="n")
    assert definition["kind"] == 2 and dict(definition["labels"])["source"]
    assert [v for _, v in found] == list(range(1, n + 1)), found
    assert [t for t, _ in found] == sorted({t for t, _ in found})
    assert [v for _, v in of(series, "plugin_state", check="count")[1]] == [k % 2 for k in range(1, n + 1)]
    for i in range(10):
        definition, found = of(series, "plugin_ms", check="count", label=f"v {i}")
        assert definition["unit"] == "ms" and [v for _, v in found] == [i * 1000 + 500] * n
        assert [v for _, v in of(series, "plugin_ms_limit", check="count", label=f"v {i}", limit="crit_high")[1]] == [2000]
    states = [e for e in events if e["type"] == "plugin.state"]
    assert [dict(e["attrs"])["text"] for e in states] == [f"Lauf {k} läuft" for k in range(1, n + 1)] and told == n
    assert len({e["id"] for e in states}) == n
