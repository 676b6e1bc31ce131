"""`python -m perpscope.lab --seed 7 --speed 60 --venue okx bybit`: the seeded market as a process of its own.

Prints one line of JSON when it is ready: `rest` and `websocket` base URLs of the first venue, `venues` with those of
each, and the `clock` anchor. Ends cleanly on SIGTERM, SIGINT, or when the pipe it was given as stdin closes, so that it
dies with its parent.
"""

import argparse
import asyncio
import logging
import os
import signal
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from perpscope.errors import ConfigError
from perpscope.lab.dialect import VENUES
from perpscope.lab.faults import FaultScript
from perpscope.lab.run import Labs, serve_markets


class Address(msgspec.Struct, frozen=True):
    """Where one exchange is."""

    rest: str  #: base URL; takes WebSocket connections too
    websocket: str  #: base URL, without a path


class Ready(msgspec.Struct, frozen=True):
    """What is printed when the exchanges can be used."""

    rest: str  #: of the first venue
    websocket: str  #: likewise
    venues: dict[str, Address]
    clock: msgspec.Raw  #: the anchor, as served at `/lab/clock` on every REST port


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; exits with status 2 if it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m perpscope.lab", description="A seeded market on loopback, on the wire of one venue or several."
    )
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same market (default 7)")
    parser.add_argument("--speed", type=float, default=60.0, help="market seconds per real second (default 60)")
    parser.add_argument(
        "--venue", nargs="+", default=["binance"], metavar="VENUE", help=f"of {', '.join(VENUES)} (default binance)"
    )
    parser.add_argument(
        "--symbols",
        nargs="+",
        default=[],
        metavar="SYMBOL",
        help="what is traded, as bases or in the venue's names (default: all eight)",
    )
    parser.add_argument("--start-ns", type=int, default=None, help="market time at the start, ns UTC (default: now)")
    parser.add_argument(
        "--faults", type=Path, default=None, metavar="FILE", help="what goes wrong, as TOML or JSON (docs/faults.md)"
    )
    return parser.parse_args(argv)


def ready_line(labs: Labs) -> bytes:
    """One line of JSON."""
    venues = {venue: Address(lab.rest_url, lab.websocket_url) for venue, lab in labs.by_venue.items()}
    first = next(iter(venues.values()))
    clock = msgspec.Raw(msgspec.json.encode(labs.clock.anchor()))
    return msgspec.json.encode(Ready(first.rest, first.websocket, venues, clock)) + b"\n"


async def _parent_gone(stdin: int) -> None:
    """Wait until the other end of a pipe closes; for ever where stdin is no pipe."""
    mode = os.fstat(stdin).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        await asyncio.Event().wait()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(stdin, "rb", closefd=False)
    )
    while await reader.read(4096):
        pass


async def serve(asked: argparse.Namespace) -> None:
    """Run the exchange until told to stop.

    Raises:
        ConfigError: a symbol is not traded here, or the fault script makes no sense.
        ValueError: the speed or start makes no sense.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    script = None if asked.faults is None else FaultScript.read(asked.faults)
    async with await serve_markets(
        asked.seed, asked.speed, venues=asked.venue, symbols=tuple(asked.symbols), ts_start=asked.start_ns
    ) as labs:
        if script is not None:
            labs.suffer(script)
        sys.stdout.buffer.write(ready_line(labs))
        sys.stdout.buffer.flush()
        ends = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(_parent_gone(sys.stdin.fileno()))]
        _, pending = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in pending:
            end.cancel()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    import uvloop  # noqa: PLC0415 (only this process wants it)

    logging.getLogger("asyncio").setLevel(logging.ERROR)  # a client that hangs up is no news to an exchange

    asked = arguments(sys.argv[1:] if argv is None else argv)
    try:
        uvloop.run(serve(asked))
    except (ConfigError, ValueError) as error:
        hint = getattr(error, "hint", None)
        print(f"error: {error}" + (f"\n{hint}" if hint else ""), file=sys.stderr)
        return ConfigError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
