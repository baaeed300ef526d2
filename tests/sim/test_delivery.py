"""Delivery, simulated: real spool, uplink, delivery, ingest and store on played time, chance, disk and broker.

Every rule of delivery has a named scenario (tests/sim/README.md); "mix" is everything at once by chance. A
seed is a run to the last byte: a failing one is repeated with what stands in the message.
"""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LONG = os.environ.get("BL_LONG") == "1"
# Found once, mended, kept: (scenario, agents, seed).
REGRESSIONS = (
    ("mix", 3, 3),  # a failed sync, then an offer before the next commit: events twice
    ("resumed", 3, 1),  # what a resumed snapshot cut under its twin's seqs was taken for delivered
    ("cloned", 3, 2),  # the same with two machines that live
    ("rolled-back-at-once", 2, 3),  # a copy of an id given up earlier was refused for good
    ("mix", 2, 5),  # rolled back, then the store set back: what the former id had delivered was gone
    ("mix", 2, 20),  # a store that did not know that it was set back, after damage: not named
    ("mix", 2, 24),  # an event after its batch's interval lies inside the next entry of the ledger
    ("mix", 2, 27),  # nobody is asked while a log set aside is read: it has to be read to its end
    ("spool-damaged", 2, 5),  # "string or blob too big" is damage, too: it did not start
    ("tiny-cap", 1, 1),  # a deadline in the past: the agent's loop span
    ("thinned", 2, 5),  # means are older than their seqs: an entry for neighbours by seq had no time in it
    ("packed", 3, 5),  # an hour was packed without a stream that had come just before, which was gone then
    ("thinned", 2, 1),  # the judge: batches of means only, dropped, count 0, for they were counted when made
    ("mix", 2, 133),  # rolled back, then the store lost: what only the lost life could have sent again had no name,
    ("mix", 2, 157),  # and what was said of an id that the new store had never heard of was passed over
    ("mix", 2, 172),
    ("mix", 3, 23),
    ("mix", 3, 24),  # a copy from before its spool thinned: what the centre had as means came one by one, too
    ("mix", 3, 202),  # damaged: what had its receipt, and was lost at the centre, was named as damaged,
    ("mix", 3, 462),  # and of ids before a roll-back not at all
    ("mix", 3, 218),  # damaged: rows of batches were whole whose messages were gone, and nobody told of when
    ("mix", 3, 501),  # damaged: a recovered batch was dropped, and with it what it told
    ("mix", 3, 417),  # what a successor said is lost at the centre was held by a third life, and kept back
    ("mix", 3, 388),  # what a batch had told that only the centre had was told by nobody when the centre lost it
    ("grouped", 2, 2),  # in a group: cut or in doubt behind others, ticks were released and in no batch
)
# What was done to them that allows more than "stored or in the ledger": two lives of one spool.
TWO_LIVES = {"cloned": ("aside", "held", "twice"), "resumed": ("aside", "held", "twice", "undone"),
             "takeover": ("aside", "held", "twice"), "renamed": ("aside", "held"), "rolled-back-at-once": ("aside",), "mix": ("aside", "twice")}
# Each run of a scenario is so many seeds of so many agents, one simulated day each, where it has no numbers of its own.
SEEDS, AGENTS = ("1-40", 4) if LONG else ("1-1", 2)
MIX, MIX_AGENTS = (20000, 2) if LONG else (16, 3)


def program(name="sim_delivery"):
    path = pathlib.Path(os.environ.get("BL_SIM_BUILD") or ROOT / "build" / "sim") / "tests" / name
    assert path.is_file(), f"{path} is not built: run tests/run --only sim"
    return path


def folder(tmp_path):
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else str(tmp_path)


def command(tmp_path, seeds, agents, scenario="mix", name="sim_delivery"):
    return [program(name), "--seeds", seeds, "--agents", str(agents), "--scenario", scenario, "--folder",
            folder(tmp_path)]


def figures(text):
    last = text.strip().splitlines()[-1]
    return dict(re.findall(r"(\w+) ([0-9.]+)", last))


def check(done_code, text, scenario):
    failed = [line for line in text.splitlines() if " FAIL " in line]
    assert done_code == 0 and not failed, "\n".join(failed) or text
    f = figures(text)
    assert f["lost"] == "0" and f["doubled"] == "0" and int(f["accepted"]) > 0, text
    for name in ("aside", "held", "undone", "twice"):
        assert f[name] == "0" or name in TWO_LIVES.get(scenario, ()), f"{name} {f[name]}: {text}"
    return f


def scenarios():
    path = pathlib.Path(os.environ.get("BL_SIM_BUILD") or ROOT / "build" / "sim") / "tests" / "sim_delivery"
    if not path.is_file():
        return []
    done = subprocess.run([path, "--scenario", "list"], stdout=subprocess.PIPE, text=True, check=True)
    # "[open]": some seeds fail, as tests/sim/README.md says; they are not promised.
    return [line.split()[0] for line in done.stdout.splitlines()
            if not line.startswith("mix ") and not line.endswith("[open]")]


def in_two(tmp_path, commands):
    """Runs them, two at a time: there are two cores. Yields (command, code, output) as they end."""
    waiting, running = list(commands), []
    try:
        while waiting or running:
            while waiting and len(running) < 2:
                c = waiting.pop(0)
                running.append((c, subprocess.Popen(c, stdout=subprocess.PIPE, text=True)))
            c, process = running.pop(0)
            text = process.communicate(timeout=40000)[0]
            yield c, process.returncode, text
    finally:
        for _, process in running:
            process.kill()
            process.wait()


def test_every_rule_holds_in_its_scenario(tmp_path):
    names = scenarios()
    assert len(names) > 20, f"{program()} lists no scenarios"
    seen = 0
    for c, code, text in in_two(tmp_path, [command(tmp_path, SEEDS, AGENTS, name) for name in names]):
        check(code, text, c[c.index("--scenario") + 1])
        seen += 1
    assert seen == len(names)


def test_everything_at_once(tmp_path):
    step = max(1, MIX // 4 if not LONG else 500)
    parts = [command(tmp_path, f"{first}-{min(first + step - 1, MIX)}", MIX_AGENTS)
             for first in range(1, MIX + 1, step)]
    total = explained = 0
    for c, code, text in in_two(tmp_path, parts):
        f = check(code, text, "mix")
        total += float(f["agent_days"])
        explained += int(f["explained"])
    assert total == MIX * MIX_AGENTS and explained > 0


@pytest.mark.parametrize("scenario, agents, seed", REGRESSIONS)
def test_what_failed_once(tmp_path, scenario, agents, seed):
    done = subprocess.run(command(tmp_path, f"{seed}-{seed}", agents, scenario), stdout=subprocess.PIPE, text=True)
    check(done.returncode, done.stdout, scenario)


def test_a_seed_is_the_same_run_again(tmp_path):
    lines = []
    for c, code, text in in_two(tmp_path, [command(tmp_path, "7-9", 3)] * 2):
        lines.append([line for line in text.splitlines() if line.startswith("seed ")])
    assert lines[0] == lines[1] and len(lines[0]) == 3
    traces = {re.search(r"trace (\w+)", line)[1] for line in lines[0]}
    assert len(traces) == 3  # and another seed is another one
