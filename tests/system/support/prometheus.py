"""A strict reader of the Prometheus text format 0.0.4 and of OpenMetrics 1.0: what either forbids raises.

Written from their specifications, for what an agent says: counters, gauges and info, no time stamps.
"""

import math
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
SUFFIX = {"counter": "_total", "gauge": "", "info": "_info"}


class Family:
    def __init__(self, name):
        self.name, self.type, self.help, self.unit, self.samples = name, None, None, None, {}


def unescaped(text, allowed):
    out, i = "", 0
    while i < len(text):
        if text[i] == "\\":
            if text[i:i + 2] not in allowed:
                raise ValueError(f"no such escape: {text[i:i + 2]!r}")
            out += allowed[text[i:i + 2]]
            i += 2
            continue
        if text[i] in '\n"' and '\\"' in allowed:
            raise ValueError(f"{text[i]!r} must be escaped")
        out += text[i]
        i += 1
    return out


IN_LABEL = {"\\\\": "\\", "\\n": "\n", '\\"': '"'}


def labels_of(text):
    labels = {}
    while text:
        key = LABEL.match(text)
        if not key or text[key.end():key.end() + 2] != '="' or key.group().startswith("__"):
            raise ValueError(f"no label: {text!r}")
        end = key.end() + 2
        while text[end] != '"':
            end += 2 if text[end] == "\\" else 1
        if key.group() in labels:
            raise ValueError(f"twice: {key.group()}")
        labels[key.group()] = unescaped(text[key.end() + 2:end], IN_LABEL)
        text = text[end + 1:]
        if text and (text[0] != "," or len(text) == 1):
            raise ValueError(f"after a label: {text!r}")
        text = text[1:]
    return labels


def sample_of(line):
    """(name, labels, value)"""
    name = NAME.match(line)
    rest = line[name.end():]
    labels = {}
    if rest.startswith("{"):
        end = 1
        while rest[end] != "}":
            if rest[end] == '"':
                end += 1
                while rest[end] != '"':
                    end += 2 if rest[end] == "\\" else 1
            end += 1
        labels, rest = labels_of(rest[1:end]), rest[end + 1:]
    if not rest.startswith(" ") or not (NUMBER.fullmatch(rest[1:]) or rest[1:] in ("+Inf", "-Inf", "NaN")):
        raise ValueError(f"no value: {line!r}")
    return name.group(), labels, float(rest[1:])


def read(text, open_metrics):
    """Family name -> Family. In OpenMetrics a counter's family is named without _total, in the text format with it."""
    if not text.endswith("\n") or "\r" in text or "\n\n" in text:
        raise ValueError("lines end with one newline each")
    lines = text[:-1].split("\n")
    if open_metrics and lines.pop() != "# EOF":
        raise ValueError("the end is missing")
    families, current = {}, None
    for line in lines:
        if line.startswith("# "):
            _, word, name, rest = (line + " ").split(" ", 3)
            rest = rest[:-1]
            if word not in ("HELP", "TYPE") + (("UNIT",) if open_metrics else ()) or not NAME.fullmatch(name):
                raise ValueError(f"not understood: {line!r}")
            if current is None or current.name != name:
                if name in families:
                    raise ValueError(f"{name} is torn apart")
                current = families[name] = Family(name)
            key = word.lower()
            if getattr(current, key) is not None or current.samples:
                raise ValueError(f"too late or twice: {line!r}")
            if word == "HELP":
                rest = unescaped(rest, IN_LABEL if open_metrics else {"\\\\": "\\", "\\n": "\n"})
            if word == "TYPE" and rest not in (("counter", "gauge", "info") if open_metrics else ("counter", "gauge")):
                raise ValueError(f"no such type: {line!r}")
            if word == "UNIT" and not name.endswith("_" + rest):
                raise ValueError(f"its name does not end with its unit: {line!r}")
            setattr(current, key, rest)
            continue
        name, labels, value = sample_of(line)
        if current is None or current.type is None:
            raise ValueError(f"without a type: {line!r}")
        if name != current.name + (SUFFIX[current.type] if open_metrics else ""):
            raise ValueError(f"of another family than {current.name}: {line!r}")
        if current.type == "counter" and (value < 0 or math.isnan(value)):
            raise ValueError(f"no counter: {line!r}")
        if current.type == "counter" and not name.endswith("_total"):
            raise ValueError(f"its name does not say that it counts: {line!r}")
        if current.type != "counter" and re.search(r"_(total|count|sum|bucket|created)$", name):
            raise ValueError(f"its name says something else: {line!r}")
        key = tuple(sorted(labels.items()))
        if key in current.samples:
            raise ValueError(f"twice: {line!r}")
        current.samples[key] = value
    return families


def samples(families, open_metrics):
    """(sample name, labels) -> value"""
    return {(f.name + (SUFFIX[f.type] if open_metrics else ""), labels): value
            for f in families.values() for labels, value in f.samples.items()}
