"""The demo's own copy of the shipped templates: other numbers, so that something is to be seen
within minutes, other ids, and only for the demo's sites, so that nobody's own are touched.
"""

import json
import subprocess
from pathlib import Path

from places import read_json, write_json

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
KINDS = ("channels", "processes", "kpis", "rules")
MAILBOX = "operations@demo.example"
PREFIX = "demo-"


def span(seconds):
    """As the expressions write it, as Chinese and as English say it."""
    if seconds % 60 == 0:
        n = seconds // 60
        return f"{n}min", f"{n} 分钟", f"{n} minute" + ("s" if n != 1 else "")
    return f"{seconds}s", f"{seconds} 秒", f"{seconds} second" + ("s" if seconds != 1 else "")


def shipped():
    """All templates as one."""
    whole = {kind: [] for kind in KINDS}
    for path in sorted(TEMPLATES.glob("*.json")):
        for kind, items in json.loads(path.read_text()).items():
            whole[kind] += items
    return whole


def copy_of(whole, limit_s, language):
    code, chinese, english = span(limit_s)

    def adapted(text):
        return (text.replace("30 分钟", chinese).replace("30 minutes", english)
                .replace("30min", code))

    for kind in KINDS:
        for item in whole[kind]:
            item["id"] = PREFIX + item["id"]
            item["name"] = adapted(item["name"]) + " (demo)"
            for field in ("process", "kpi"):
                if field in item:
                    item[field] = PREFIX + item[field]
            # The machine's own KPIs are good to have for every site.
            if kind in ("kpis", "rules") and item.get("source") != "series":
                item["region"] = "demo"
            if "condition" in item:
                item["condition"] = adapted(item["condition"])
            if "limit_ms" in item:
                item["limit_ms"] = limit_s * 1000
            if item.get("source") == "case" and "target" in item and item["unit"] == "ms":
                item["target"] = limit_s * 1000
            if "channels" in item:
                item["channels"] = [PREFIX + channel for channel in item["channels"]]
            if kind == "channels":
                item.update(enabled=True, to=[MAILBOX], language=language)
    return whole


def write_copy(folder, limit_s, language):
    write_json(folder.definitions, copy_of(shipped(), limit_s, language))


def apply_once(folder, tool, limit_s, language):
    """Creates what is not there, until that has succeeded once; people's changes stay, and so does
    what they switched off."""
    if folder.applied.exists():
        return
    write_copy(folder, limit_s, language)
    listed = subprocess.run([tool, "define", "list", "--state", folder.state], text=True,
                            capture_output=True, timeout=60, check=True).stdout
    there = {tuple(line.split()[:2]) for line in listed.splitlines()}
    words = {"channels": "channel", "processes": "process", "kpis": "kpi", "rules": "rule"}
    whole = read_json(folder.definitions, {})
    missing = {kind: [item for item in whole.get(kind, []) if (words[kind], item["id"]) not in there]
               for kind in KINDS}
    path = folder.path / "missing.json"
    write_json(path, missing)
    subprocess.run([tool, "define", "apply", path, "--state", folder.state], timeout=120, check=True)
    path.unlink()
    folder.applied.touch()
