"""A TCP link that is as bad as you want it: see README.md.

    python3 -m impair --to broker.example:8883 --listen 127.0.0.1:9883 --delay 300ms --jitter 200ms
    python3 -m impair --to 127.0.0.1:8883 --rate 8k --cut-every 40s --seed 7
"""

import argparse
import asyncio
import random
import re
import signal
import sys
import time
from pathlib import Path

if __package__ in (None, ""):  # python3 provisioning/impair
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from impair.link import Link  # noqa: E402


def log(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def duration_s(text):
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if not found:
        raise argparse.ArgumentTypeError(f'expected a duration such as 300ms or 20s, got "{text}"')
    return float(found[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[found[2]]


def size(text):
    found = re.fullmatch(r"(\d+)([kKmM]?)", text)
    if not found or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f'expected bytes such as 4096 or 32k, got "{text}"')
    return int(found[1]) * {"": 1, "k": 1024, "m": 1024 * 1024}[found[2].lower()]


def address(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f'expected HOST:PORT, got "{text}"')
    return host.strip("[]"), int(port)


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="impair", formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__,
        epilog="--*-every: again and again after this time, lengthened or shortened by up to a half at random.")
    add = parser.add_argument
    add("--to", type=address, required=True, metavar="HOST:PORT", help="where connections lead")
    add("--listen", type=address, default=("127.0.0.1", 0), metavar="ADDRESS:PORT",
        help="where they come in (default: a free port of 127.0.0.1)")
    add("--delay", type=duration_s, default=0, metavar="D", help="one way, such as 300ms")
    add("--jitter", type=duration_s, default=0, metavar="D", help="up to so much more; order is kept")
    add("--rate", type=size, metavar="N", help="bytes a second, of each connection and direction")
    add("--reset-after", type=size, metavar="N", help="resets each connection after so many bytes")
    add("--cut-every", type=duration_s, metavar="D", help="resets all connections")
    add("--half-close-every", type=duration_s, metavar="D", help="ends the direction to the target")
    add("--stall-every", type=duration_s, metavar="D", help="nothing moves for --for")
    add("--blackhole-every", type=duration_s, metavar="D", help="everything vanishes for --for")
    add("--for", type=duration_s, default=5, dest="for_s", metavar="D",
        help="how long a stall or blackhole lasts (default: 5s)")
    add("--seed", type=int, help="of all that is random (default: a new one, which is printed)")
    return parser.parse_args(argv)


async def again(period_s, rng, act):
    while True:
        await asyncio.sleep(period_s * rng.uniform(0.5, 1.5))
        await act()


async def run(args):
    rng = random.Random(args.seed)
    link = Link(args.to, args.listen[1], args.listen[0], seed=args.seed)
    link.impair(delay_ms=args.delay * 1000, jitter_ms=args.jitter * 1000, rate_bytes_s=args.rate,
                reset_after_bytes=args.reset_after)
    await link.start()
    print(f"{link.host}:{link.port}", flush=True)
    log(f"leads to {args.to[0]}:{args.to[1]}, seed {args.seed}; Ctrl-C ends it")

    async def cut():
        log(f"cut: {link.connections} connections")
        link.cut()

    async def half_close():
        log(f"half-closed: {link.half_close()} connections")

    def lasting(what):
        async def act():
            log(f"{what} for {args.for_s:g} s")
            link.impair(**{what: True})
            await asyncio.sleep(args.for_s)
            link.impair(**{what: False})
            log(f"{what} is over")
        return act

    acts = ((args.cut_every, cut), (args.half_close_every, half_close),
            (args.stall_every, lasting("stall")), (args.blackhole_every, lasting("blackhole")))
    tasks = [asyncio.ensure_future(again(period, rng, act)) for period, act in acts if period]
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    await end.wait()
    for task in tasks:
        task.cancel()
    await link.stop()
    log(f"relayed {link.relayed_bytes} bytes")


def main():
    args = parse(sys.argv[1:])
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(2**32)
    try:
        asyncio.run(run(args))
    except OSError as error:
        raise SystemExit(f"impair: {error}") from None


if __name__ == "__main__":
    main()
