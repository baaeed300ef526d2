"""`branchline torture`: see README.md. Started by the program branchline, with python3 -B.

Exit codes: 0 the proof holds, 1 it does not, 2 wrong usage, 3 it could not be made, 130 stopped.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from acts import FOLDER_MAX_MIB, Acts, nothing_waits
from evidence import Evidence, claim_of, load, save, verdict_of
from process import Failed, Stopped, Until
from rig import Organisation
from teller import Teller
from words import LANGUAGES, Words

SERIES = 40
START_MIB, MINUTE_MIB, FREE_MIB = 10, 3, 300
SETTLE_S = 240
STAYS_S = 30
NUDGE_S = 5
SAYS_MAX = 2000


class Talk:
    """Progress, on standard output with the time since the start; kept for the report."""

    def __init__(self, words):
        self.words = words
        self.said = []
        self._begun = time.monotonic()

    def __call__(self, key, **values):
        text = self.words(key, **values)
        if len(self.said) < SAYS_MAX:
            self.said.append(text)
        print(f"[{time.monotonic() - self._begun:7.1f} s] {text}", flush=True)


def parse(argv):
    parser = argparse.ArgumentParser(prog="branchline torture", allow_abbrev=False, add_help=False,
                                     usage="branchline torture --minutes N [OPTION ...]; see --help")
    for name in ("tool", "agent", "collector"):
        parser.add_argument(f"--{name}", required=True, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--agents", type=int, default=3)
    parser.add_argument("--series", type=int, default=SERIES)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--language", choices=LANGUAGES)
    args = parser.parse_args(argv)
    if args.judge is not None:
        return args
    if args.minutes is None:
        parser.error("--minutes N says how long")
    for name, value, least, most in (("minutes", args.minutes, 0.1, 10080), ("agents", args.agents, 2, 16),
                                     ("series", args.series, 1, 1000)):
        if not least <= value <= most:
            parser.error(f"--{name}: expected {least:g} to {most:g}, got {value:g}")
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(2**32)
    return args


def make_folder(asked, words):
    """An empty folder that is ours, and whether it was there before."""
    if asked is None:
        asked = Path(tempfile.mkdtemp(prefix="branchline-torture-"))
        there = False
    else:
        there = asked.exists()
        try:
            if there and (not asked.is_dir() or any(asked.iterdir())):
                raise Failed(words("not_empty", folder=asked))
            asked.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Failed(words("no_folder", folder=asked, why=error.strerror)) from None
    folder = asked.resolve()
    free = shutil.disk_usage(folder).free >> 20
    if free < FREE_MIB:
        raise Failed(words("no_room", folder=folder, free=free, need=FREE_MIB))
    return folder, there


def settle(org, acts, tellers, until, talk):
    """Without load, until all has its receipt and the collector misses nothing. False: it took too long."""
    talk("settling")
    acts.mend()
    for teller in tellers.values():
        teller.stop()
    for agent in org.agents:
        agent.program.stop()
        agent.sample(False)
        agent.program.start()
    state = {"waiting": None, "unexplained": None, "since": 0.0, "nudged": 0.0}

    def settled():
        acts.keep_up()
        state["waiting"] = [agent.name for agent in org.agents if not nothing_waits(agent)]
        gaps = org.collector.api("/gaps?limit=1")
        unexplained = gaps["unexplained"] if gaps else None
        if unexplained != state["unexplained"]:
            state.update(unexplained=unexplained, since=time.monotonic())
        if unexplained and not state["waiting"] and time.monotonic() - state["nudged"] > NUDGE_S:
            # A ledger entry travels with the next batch of events: a step makes one come within seconds.
            state["nudged"] = time.monotonic()
            for teller in tellers.values():
                teller.tell_one()
        # What stays unexplained for so long, with nothing on its way, is for the judge.
        return not state["waiting"] and (unexplained == 0 or (
            unexplained is not None and time.monotonic() - state["since"] > STAYS_S))
    if until.wait(settled, SETTLE_S, 0.3):
        return True
    talk("not_settled", seconds=SETTLE_S, what=", ".join(state["waiting"] or ["collector"]))
    return False


def ledger_entries(collector):
    """(how many entries the API tells of, how many gaps it calls unexplained)"""
    count, after, unexplained = 0, "", 0
    while True:
        page = collector.api("/gaps?limit=1000" + (f"&after={after}" if after else ""))
        if page is None:
            raise Failed("the collector's API does not answer /gaps")
        count += len(page["items"])
        unexplained = page["unexplained"]
        after = page["next"]
        if not after:
            return count, unexplained


def prove(args, folder, until, talk):
    """Leaves everything that the judgement needs in the folder; raises Failed or Stopped. Ends everything that it started."""
    org = None
    tellers = {}
    try:
        org = Organisation(folder, {"tool": args.tool, "agent": args.agent, "collector": args.collector},
                           args.agents, args.series, args.seed)
        talk("making", agents=args.agents, minutes=args.minutes)
        org.start(until)
        rng = random.Random(args.seed)
        tellers = {agent.name: Teller(agent, rng.randrange(2**32)) for agent in org.agents}
        acts = Acts(org, tellers, args.seed, args.minutes * 60, until, talk, talk.words)
        for teller in tellers.values():
            teller.start()
        talk("running")
        lasted = acts.run()
        if until.soon:
            talk("stopping", seconds=lasted)
        settled = settle(org, acts, tellers, until, talk)
        # What the ledger says now; then nothing changes any more, and the files are read.
        for agent in org.agents:
            agent.program.stop()
        entries, unexplained = ledger_entries(org.collector)
        org.collector.program.stop()
        claims = [claim_of(agent, acts.lives[agent.name], tellers[agent.name].told) for agent in org.agents]
        save(folder, Evidence(args.seed, claims, acts.census.values, acts.set_back, unexplained, entries, settled, acts.ended))
        talk("done_acts", **acts.done)
    finally:
        if org is not None:
            org.end()
        for teller in tellers.values():
            if teller.is_alive():
                teller.stop()


def tell(verdict, talk):
    """Everything but the last line."""
    if verdict.gone:
        talk("own_act", n=verdict.gone)
    if verdict.held:
        talk("is_held", n=verdict.held)
    for reason, n in sorted(verdict.reasons.items()):
        talk("reason", n=n, reason=talk.words(f"reason_{reason}"))
    if verdict.holds():
        talk("held")
        return
    talk("failed")
    for key, values in verdict.complaints:
        if "reason" in values:
            values = {**values, "reason": talk.words(f"reason_{values['reason']}")}
        talk(key, **values)


def report(verdict, talk, folder, seed):
    text = json.dumps({"seed": seed, "line": verdict.line(), "holds": verdict.holds(), "said": talk.said,
                       "complaints": verdict.complaints, "explained": dict(verdict.reasons)},
                      ensure_ascii=False, indent=1)
    (folder / "report.json").write_text(text + "\n")


def clear(folder, was_there):
    for part in folder.iterdir():
        shutil.rmtree(part) if part.is_dir() and not part.is_symlink() else part.unlink()
    if not was_there:
        folder.rmdir()


def listen_to_signals(until):
    def ask(number, _):
        if number == signal.SIGINT and not until.soon:
            until.soon = True
        else:
            until.now = True
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ask)


def judge_again(folder, talk):
    talk("judging")
    verdict = verdict_of(folder, load(folder), SETTLE_S)
    tell(verdict, talk)
    print(verdict.line(), flush=True)
    return 0 if verdict.holds() else 1


def torture(args, folder, was_there, until, talk):
    talk("seed", seed=args.seed)
    talk("folder", folder=folder, start=START_MIB, more=MINUTE_MIB, cap=FOLDER_MAX_MIB)
    prove(args, folder, until, talk)
    talk("judging")
    verdict = verdict_of(folder, load(folder), SETTLE_S)
    tell(verdict, talk)
    report(verdict, talk, folder, args.seed)
    if not verdict.holds():
        talk("keep", folder=folder, seed=args.seed, parent=folder.parent, name=folder.name)
    elif args.keep:
        talk("kept", folder=folder)
    else:
        clear(folder, was_there)
    print(verdict.line(), flush=True)
    return 0 if verdict.holds() else 1


def main():
    args = parse(sys.argv[1:])
    words = Words(args.language)
    talk, until = Talk(words), Until()
    listen_to_signals(until)
    folder = None
    try:
        if args.judge is not None:
            return judge_again(args.judge, talk)
        if shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin") is None:
            raise Failed(words("no_broker"))
        folder, was_there = make_folder(args.folder, words)
        return torture(args, folder, was_there, until, talk)
    except Stopped:
        talk("stopped")
        if folder is not None:
            talk("kept", folder=folder)
        return 130
    except (Failed, OSError) as failed:
        # An OSError is a full, read-only or failing disk: that the proof was not made, not that it does not hold.
        text = str(failed) if folder is None else words("could_not", why=failed)
        print(f"branchline torture: {text}", file=sys.stderr)
        if folder is not None:
            talk("kept", folder=folder)
        return 3


if __name__ == "__main__":
    sys.exit(main())
