"""Says what it reads: records end with 0x1e, fields with 0x1f; first the verb, then NAME=VALUE, attributes with
their type before it (t:, n:, b:). Answers each with "accepted", "repeated", or how it failed and why.
"""

import os
import sys

sys.path.insert(0, sys.argv[1])
from branchline import Client, Failed, Refused  # noqa: E402

TYPES = {"t": str, "n": lambda text: float(text) if any(c in text for c in ".eE") else int(text),
         "b": lambda text: text == "true"}


def say(agent, fields):
    verb, said, attributes = fields[0], {}, {}
    for field in fields[1:]:
        name, value = field.split("=", 1)
        if name[1:2] == ":":
            attributes[name[2:]] = TYPES[name[0]](value)
        else:
            said[name] = value
    if "at" in said:
        said["at"] = float(said["at"])
    words = [said.pop(name) for name in ("case", "step", "type", "name", "value") if name in said]
    if verb == "metric":
        words[1] = TYPES["n"](words[1])
    if verb == "step_event" and len(words) == 1:
        words.append(None)
    return getattr(agent, verb)(*words, attributes, **said)


def records():
    text = b""
    while True:
        more = os.read(0, 65536)
        if not more:
            return
        text += more
        while b"\x1e" in text:
            record, text = text.split(b"\x1e", 1)
            yield record.decode().split("\x1f")


with Client(timeout=int(sys.argv[2]) / 1000, wait=int(sys.argv[3]) / 1000) as agent:
    for fields in records():
        try:
            answer = say(agent, fields)
        except Refused as failure:
            answer = f"refused {failure}"
        except Failed as failure:
            answer = f"failed {failure}"
        print(answer, end="\x1e", flush=True)
