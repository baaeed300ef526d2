"""Named groups (shared/regex, through regex_tool) against Python's re: a table and random patterns.

Python is asked in bytes, as ours reads them.  Parts that may be empty are not repeated
in the random patterns: there the two differ, as the header says.  Nor are texts empty:
in those \\B holds for Perl and for ours, and not for Python before 3.14.
"""

import json
import os
import pathlib
import random
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests" / "data" / "regex" / "groups.json"
ROUNDS = 12000 if os.environ.get("BL_LONG") else 800


def tool():
    folders = [os.environ.get("BL_BUILD"), ROOT / "build" / "asan-ubsan", ROOT / "build" / "dev"]
    for folder in folders:
        path = pathlib.Path(folder or "/nonexistent") / "tests" / "regex_tool"
        if path.is_file():
            return path
    pytest.fail("regex_tool is not built: run tests/run, or set BL_BUILD to a build folder")


def ours(pairs):
    """What regex_tool says of (pattern, text)s: None, or a list of (begin, end)."""
    asked = "".join(f"{pattern}\t{text}\n" for pattern, text in pairs)
    done = subprocess.run([tool()], input=asked.encode(), capture_output=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    answers = done.stdout.decode().splitlines()
    assert len(answers) == len(pairs)
    found = []
    for answer in answers:
        words = answer.split(" ")
        assert words[0] in ("yes", "no"), answer
        spans = [tuple(int(x) for x in word.split(":")) for word in words[1:]]
        found.append(spans if words[0] == "yes" else None)
    return found


def python(pattern, text):
    match = re.search(re.sub(r"\(\?<(?=[^=!])", "(?P<", pattern).encode(), text.encode())
    if match is None:
        return None
    groups = sorted(match.re.groupindex.values())
    return [match.span(i) for i in groups]


def test_the_table_is_what_python_says():
    rows = json.loads(TABLE.read_text())
    for row in rows:
        said = python(row["pattern"], row["text"])
        assert (said is None) == (row["groups"] is None), row
        if said is not None:
            parts = [None if b < 0 else row["text"].encode()[b:e].decode() for b, e in said]
            assert parts == list(row["groups"].values()), row


class Maker:
    """Patterns of what both understand alike."""

    def __init__(self, chance):
        self.chance = chance
        self.names = 0

    def atom(self, depth):
        """(text, may it be empty)"""
        if depth > 0 and self.chance.random() < 0.5:
            inner, empty = self.alternatives(depth - 1)
            if self.chance.random() < 0.6 and self.names < 20:
                self.names += 1
                return f"(?<g{self.names}>{inner})", empty
            return f"({inner})" if self.chance.random() < 0.5 else f"(?:{inner})", empty
        kind = self.chance.choice(["a", "b", "c", ".", "[ab]", "[^a]", "\\w", "\\s", "\\d", "1"])
        return kind, False

    def piece(self, depth):
        if self.chance.random() < 0.1:
            return self.chance.choice(["^", "$", "\\b", "\\B"]), True
        text, empty = self.atom(depth)
        times = self.chance.choice(["", "", "", "*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}"])
        if empty:
            return text, True
        if times and self.chance.random() < 0.4:
            times += "?"
        return text + times, times[:1] in ("*", "?") or times.startswith("{0")

    def row(self, depth):
        pieces = [self.piece(depth) for _ in range(self.chance.randint(1, 3))]
        return "".join(text for text, _ in pieces), all(empty for _, empty in pieces)

    def alternatives(self, depth):
        rows = [self.row(depth) for _ in range(self.chance.choice([1, 1, 2, 3]))]
        return "|".join(text for text, _ in rows), any(empty for _, empty in rows)


def test_random_patterns_hold_the_same_as_in_python():
    chance = random.Random(20261129)
    pairs = []
    for _ in range(ROUNDS):
        pattern = Maker(chance).alternatives(3)[0]
        for _ in range(2):
            text = "".join(chance.choice("aabbc1 ") for _ in range(chance.randint(1, 10)))
            if len(pattern) <= 200:
                pairs.append((pattern, text))
    answers = ours(pairs)
    found = 0
    for (pattern, text), answer in zip(pairs, answers):
        said = python(pattern, text)
        assert answer == said, (pattern, text)
        found += bool(said)
    assert len(pairs) > ROUNDS and found > ROUNDS / 10
