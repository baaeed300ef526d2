"""Pages of Prometheus exporters, read by rules of their own: what the agent's inlet `scrape` makes of
them is compared with this.

`python3 exposition.py SOURCE < PAGE` prints the series that are to come of a page, as tests/data/scrape/pages/*.want
have them.
"""

import re
import sys
from collections import Counter

UNITS = {"seconds": "s", "bytes": "bytes", "celsius": "celsius", "volts": "volt", "amperes": "ampere", "watts": "watt",
         "joules": "joule", "milliseconds": "ms", "microseconds": "us", "percent": "pct", "rpm": "rpm"}
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?\s+(\S+)(?:\s+-?[0-9.]+)?(?:\s+#.*)?$')
LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?')


def kind_of(name, family, how):
    rest = name[len(family):] if family and name.startswith(family) else None
    if rest is None or rest and not rest.startswith("_") or how in ("untyped", "unknown"):
        return "counter" if name.endswith("_total") else "gauge"
    if how == "counter" and rest in ("", "_total"):
        return "counter"
    if how in ("histogram", "summary") and rest in ("_bucket", "_count", "_sum"):
        return "counter"
    return "gauge"


def unit_of(name):
    if name.endswith(("_bucket", "_count", "_gcount")):
        return "1"
    name = re.sub(r"_sum$", "", re.sub(r"_total$", "", name))
    return UNITS.get(name.rpartition("_")[2], "1") if "_" in name else "1"


def our_name(name):
    return re.sub(r"[^a-z0-9_]", "_", name.lower()).lstrip("_")


def refusal(name, pairs):
    """Why there is no room for such a series, if there is none."""
    if len(name) > 64:
        return "bad_name"
    return "bad_label" if len(pairs) > 8 or any(len(v.encode()) > 128 for v in pairs.values()) else None


def read(text, source, refused=None):
    """{(name, labels): (kind, unit, value)}; labels as a tuple of pairs in order. refused: counts by reason, added to."""
    found, family, how = {}, "", "untyped"
    for line in text.splitlines():
        words = line.split()
        if words[:2] == ["#", "TYPE"] and len(words) == 4:
            family, how = words[2], words[3]
        if not words or words[0].startswith("#"):
            continue
        name, labels, value = SAMPLE.match(line).groups()
        pairs = {k: re.sub(r'\\[\\"n]', lambda m: ESCAPES[m[0]], v) for k, v in LABEL.findall(labels or "")}
        pairs = {("exported_source" if k == "source" else k): v for k, v in pairs.items() if v}
        pairs["source"] = source
        why = refusal(our_name(name), pairs)
        if why is not None:
            if refused is not None:
                refused[why] += 1
            continue
        key = our_name(name), tuple(sorted(pairs.items()))
        found.setdefault(key, (kind_of(name, family, how), unit_of(name), float(value)))
    return found


def main():
    lines, refused = [], Counter()
    for (name, labels), (kind, unit, value) in read(sys.stdin.read(), sys.argv[1], refused).items():
        shown = "unsupported" if value != value or abs(value) == float("inf") else f"{value:.15g}"
        pairs = ",".join(f"{k}={v}" for k, v in labels).replace("\n", "\\n")
        lines.append(f"{name}{{{pairs}}} {kind} {unit} {shown}")
    print("\n".join(sorted(lines, key=lambda line: line.encode())))
    for why in ("bad_name", "bad_label"):
        if refused[why] > 0:
            print(why, refused[why])


if __name__ == "__main__":
    main()
