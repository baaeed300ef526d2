"""What only the torture itself knows, in evidence.json of its folder: so a folder that was kept can be judged
again, by somebody else and on another machine.
"""

import json
from dataclasses import asdict, dataclass

import spool
from judge import Claim, judge
from process import Failed
from store import read

FILE = "evidence.json"


@dataclass
class Evidence:
    seed: int
    claims: list
    census: dict
    set_back: set
    unexplained: int
    ledger_entries: int
    settled: bool
    ended: list  # (who, code): programs that ended by themselves


def _text(key):
    return "/".join(map(str, key))


def _to_text(values):
    return {_text(key): n for key, n in values.items()}


def _key(text):
    name, stream, seq = text.split("/")
    return name, int(stream), int(seq)


def _from_text(values):
    return {_key(text): n for text, n in values.items()}


def claim_of(agent, life, told):
    """Of an agent that has ended."""
    file = agent.spool_file()
    counts = spool.counts(file)
    return Claim(agent.device, counts.accepted + life.accepted_before, counts.uncut, spool.undelivered(file),
                 life.uncut, life.undelivered, told, agent.small, life.backs)


def save(folder, evidence):
    plain = asdict(evidence)
    plain["census"] = _to_text(evidence.census)
    plain["set_back"] = sorted(map(_text, evidence.set_back))
    for claim in plain["claims"]:
        for name in ("waiting", "gone_waiting"):
            claim[name] = _to_text(claim[name])
    (folder / FILE).write_text(json.dumps(plain, indent=1) + "\n")


def load(folder):
    try:
        plain = json.loads((folder / FILE).read_text())
        plain["census"] = _from_text(plain["census"])
        plain["set_back"] = set(map(_key, plain["set_back"]))
        for claim in plain["claims"]:
            for name in ("waiting", "gone_waiting"):
                claim[name] = _from_text(claim[name])
            if not {"small", "backs"} <= claim.keys():
                raise KeyError("it does not say what was done to each agent's spool")
        plain["claims"] = [Claim(**claim) for claim in plain["claims"]]
        return Evidence(**plain)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failed(f"{folder / FILE}: {error}") from None


def verdict_of(folder, evidence, settle_s):
    verdict = judge(evidence.claims, read(folder / "state" / "collector" / "telemetry.db"), evidence.census,
                    evidence.set_back, evidence.unexplained, evidence.ledger_entries)
    if not evidence.settled:
        verdict.complain("is_waiting", seconds=settle_s, n=verdict.held)
    for who, code in evidence.ended:
        verdict.complain("is_ended", who=who, code=code)
    return verdict
