"""The demo beside an organisation: see README.md. Run with python3 -B, by provisioning/quickstart.

    python3 -B provisioning/demo ports --state DIR       before the organisation is made
    python3 -B provisioning/demo enrol --state DIR ...   when its collector runs
    python3 -B provisioning/demo run --state DIR ...     until SIGTERM
"""

import argparse
import asyncio
import signal
import subprocess
import sys
import time

from places import PORTS, SITES, Folder, read_json, settle_ports


def log(text):
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}", file=sys.stderr, flush=True)


def ports_of(folder):
    ports = read_json(folder.ports, {})
    if set(PORTS) - ports.keys():
        raise SystemExit(f"demo: {folder.ports}: ports are missing; run `ports` first")
    return ports


def cmd_ports(folder, args):
    from definitions import MAILBOX
    for name, port in settle_ports(folder).items():
        print(name, port)
    print("from", MAILBOX.replace("operations", "branchline"))


def cmd_enrol(folder, args):
    from definitions import apply_once
    from enrol import enrol
    try:
        enrol(folder, ports_of(folder), args.tool, args.agent)
        apply_once(folder, args.tool, args.limit, args.language)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"demo: {' '.join(str(part) for part in error.cmd)}: exit code "
                         f"{error.returncode}\n{error.stderr or ''}".rstrip()) from None


async def run(folder, args):
    from control import Control
    from orders import Book, Orders, Reporter
    from relay import Relay
    from shop import Phases, Shop
    from sink import Sink

    ports = ports_of(folder)
    host, _, port = args.broker.rpartition(":")
    book = Book(folder.orders)
    relays = {s.id: Relay(s, ports[s.id], (host, int(port))) for s in SITES}
    orders = {s.id: Orders(s, book, Reporter(args.agent, folder.steps(s), log), args.seed, args.pace)
              for s in SITES}
    shop = Shop(ports["api"], Phases(args.seed, args.fail_after, args.fail_for), args.seed)
    sink = Sink(ports["mail"], folder.mail)
    control = Control(folder.control, relays, orders, shop, sink)
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    for part in (sink, shop, *relays.values(), control):
        await part.start()
    for part in orders.values():
        part.start()
    log("the demo runs")
    await end.wait()
    log("the demo stops")
    await asyncio.gather(*(part.stop() for part in orders.values()))
    for part in (control, *relays.values(), shop, sink):
        await part.stop()


def cmd_run(folder, args):
    try:
        asyncio.run(run(folder, args))
    except OSError as error:
        raise SystemExit(f"demo: {error}") from None


def main():
    parser = argparse.ArgumentParser(prog="demo", description=__doc__.split("\n")[0])
    parts = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--state", required=True, metavar="DIR", help="the organisation's state folder")
    parts.add_parser("ports", parents=[common], help="settle and print the demo's ports")
    part = parts.add_parser("enrol", parents=[common], help="make sites, agents' identities, definitions")
    part.add_argument("--tool", required=True, metavar="PATH", help="the program branchline")
    part.add_argument("--agent", required=True, metavar="PATH", help="the program branchline-agent")
    part.add_argument("--limit", type=int, default=120, metavar="S", help="R1's limit (default: 120)")
    part.add_argument("--language", choices=("zh-CN", "en"), default="zh-CN", help="of the mails")
    part = parts.add_parser("run", parents=[common], help="run mail server, API, links and orders")
    part.add_argument("--agent", required=True, metavar="PATH", help="the program branchline-agent")
    part.add_argument("--broker", required=True, metavar="HOST:PORT", help="where the links lead")
    part.add_argument("--seed", type=int, default=1, help="of all that is random (default: 1)")
    part.add_argument("--pace", type=float, default=1.0, help="0.1: orders ten times as fast")
    part.add_argument("--fail-after", type=float, default=30, metavar="S",
                      help="the API's first bad phase begins then (default: 30)")
    part.add_argument("--fail-for", type=float, metavar="S", help="length of its phases (default: 6 to 8 min)")
    args = parser.parse_args()
    folder = Folder(args.state)
    folder.make()
    {"ports": cmd_ports, "enrol": cmd_enrol, "run": cmd_run}[args.command](folder, args)


main()
