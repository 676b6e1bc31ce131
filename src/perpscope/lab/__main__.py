"""`python -m perpscope.lab --seed 7 --speed 60 --venue okx bybit`: the seeded market as a process of its own.

Prints one line of JSON when it is ready: `rest` and `websocket` base URLs of the first venue, `venues` with those of
each, and the `clock` anchor. Ends cleanly on SIGTERM, SIGINT, or when the pipe it was given as stdin closes, so that it
dies with its parent.
"""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Awaitable, Sequence
from pathlib import Path

import msgspec

from perpscope.errors import ConfigError, PerpscopeError
from perpscope.lab.agents.past import load
from perpscope.lab.crowds import People, write_truths
from perpscope.lab.dialect import VENUES
from perpscope.lab.faults import FaultScript
from perpscope.lab.parent import heed
from perpscope.lab.run import serve_markets
from perpscope.lab.running import Labs
from perpscope.lab.tls import Sealed, sealed


class Address(msgspec.Struct, frozen=True):
    """Where one exchange is."""

    rest: str  #: base URL; takes WebSocket connections too
    websocket: str  #: base URL, without a path


class Doors(msgspec.Struct, frozen=True):
    """Where the exchanges are under TLS."""

    proxy: str  #: for `https_proxy`: a CONNECT proxy that knows the venues' host names and no others
    ca_file: str  #: certificate of the CA of this run
    venues: dict[str, str]  #: `127.0.0.1:port` of each, without the proxy


class Ready(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is printed when the exchanges can be used."""

    rest: str  #: of the first venue
    websocket: str  #: likewise
    venues: dict[str, Address]
    clock: msgspec.Raw  #: the anchor, as served at `/lab/clock` on every REST port
    tls: Doors | None = None  #: under TLS, if it was asked for


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; exits with status 2 if it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m perpscope.lab", description="A seeded market on loopback, on the wire of one venue or several."
    )
    _add_market(parser)
    parser.add_argument("--held", action="store_true", help="market time stands until standard input says: start")
    parser.add_argument(
        "--yielding",
        action="store_true",
        help="market time goes slower where the machine does not keep up with it; limits of requests count in it",
    )
    parser.add_argument(
        "--fingerprint",
        action="store_true",
        help="print a hash of the frames of the first ten market minutes; at once if standard input says: hurry",
    )
    parser.add_argument("--start-ns", type=int, default=None, help="market time at the start, ns UTC (default: now)")
    parser.add_argument(
        "--faults", type=Path, default=None, metavar="FILE", help="what goes wrong, as TOML or JSON (docs/faults.md)"
    )
    parser.add_argument(
        "--tls",
        type=Path,
        default=None,
        metavar="FOLDER",
        help="listen under TLS too, behind a CONNECT proxy for the venues' host names; the CA's certificate goes there",
    )
    parser.add_argument(
        "--legacy-routes",
        action="store_true",
        help="what venues have retired still works: Binance's un-routed /ws and /stream, OKX's port 8443 (with --tls)",
    )
    _add_people(parser)
    asked = parser.parse_args(argv)
    if asked.truth is not None and not asked.agents and asked.past is None:
        parser.error("--truth is about people: --agents N")
    return asked


def _add_market(parser: argparse.ArgumentParser) -> None:
    """Options of what is traded."""
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


def _add_people(parser: argparse.ArgumentParser) -> None:
    """Options of who trades."""
    said = "people who trade BTC, ETH and SOL each (default 0: chance does)"
    parser.add_argument("--agents", type=int, default=0, metavar="N", help=said)
    parser.add_argument("--past-days", type=float, default=8.0, help="how long they have traded before (default 8)")
    parser.add_argument(
        "--past", type=Path, default=None, metavar="FILE", help="people and what they have done, made by the demo"
    )
    parser.add_argument(
        "--truth",
        type=Path,
        default=None,
        metavar="FOLDER",
        help="write all that the people did as Parquet, at the end",
    )


def people_of(asked: argparse.Namespace) -> People | None:
    """Who trades; None: nobody.

    Raises:
        DataError: the file of the past cannot be read.
    """
    keeps_truth = asked.truth is not None
    if asked.past is not None:
        return People(pasts=load(asked.past), keeps_truth=keeps_truth)
    return People(asked.agents, asked.past_days, keeps_truth=keeps_truth) if asked.agents else None


def ready_line(labs: Labs, doors: Sealed | None = None) -> bytes:
    """One line of JSON."""
    venues = {venue: Address(lab.rest_url, lab.websocket_url) for venue, lab in labs.by_venue.items()}
    first = next(iter(venues.values()))
    clock = msgspec.Raw(msgspec.json.encode(labs.clock.anchor()))
    tls = None if doors is None else Doors(doors.proxy_url, doors.ca_file, doors.venues)
    return msgspec.json.encode(Ready(first.rest, first.websocket, venues, clock, tls)) + b"\n"


async def _answer(labs: Labs, hurry: asyncio.Event) -> None:
    """Print the hash of what was told first, once it is known."""
    sys.stdout.buffer.write(msgspec.json.encode({"frames_hash": await labs.fingerprint(hurry)}) + b"\n")
    sys.stdout.buffer.flush()


def _opening(asked: argparse.Namespace) -> Awaitable[Labs]:
    """What opens the exchanges: at once, or when the people have lived up to it."""
    return serve_markets(
        asked.seed,
        asked.speed,
        venues=asked.venue,
        symbols=tuple(asked.symbols),
        ts_start=asked.start_ns,
        is_held=asked.held,
        is_witnessed=asked.fingerprint,
        people=people_of(asked),
    )


async def _unless(stop: asyncio.Event, opening: Awaitable[Labs]) -> Labs | None:
    """The exchanges; None if they are to stop before they are open."""
    opened, stopped = asyncio.ensure_future(opening), asyncio.ensure_future(stop.wait())
    await asyncio.wait((opened, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if opened.done():
        return opened.result()
    opened.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await opened
    return None


async def serve(asked: argparse.Namespace) -> None:
    """Run the exchange until told to stop.

    Raises:
        ConfigError: a symbol is not traded here, the fault script makes no sense, or there can be no TLS or Parquet.
        DataError: the people's past cannot be read.
        ValueError: the speed or start makes no sense.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    script = None if asked.faults is None else FaultScript.read(asked.faults)
    async with contextlib.AsyncExitStack() as stack:
        opened = await _unless(stop, _opening(asked))
        if opened is None:
            return
        labs = await stack.enter_async_context(opened)
        if asked.truth is not None:
            stack.callback(write_truths, labs.crowds, asked.truth)
        if asked.legacy_routes:
            for lab in labs.by_venue.values():
                lab.keep_legacy_routes()
        doors: Sealed | None = None
        if asked.tls is not None:
            behind = sealed(labs.by_venue, asked.tls, legacy_routes=asked.legacy_routes)
            doors = await stack.enter_async_context(behind)
        if script is not None:
            labs.suffer(script)
        sys.stdout.buffer.write(ready_line(labs, doors))
        sys.stdout.buffer.flush()
        hurry = asyncio.Event()
        words = {b"start": labs.start, b"hurry": hurry.set}
        ends = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(heed(sys.stdin.fileno(), words))]
        beside = [asyncio.ensure_future(labs.pacing().run())] if asked.yielding else []
        beside += [asyncio.ensure_future(_answer(labs, hurry))] if asked.fingerprint else []
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in (*ends, *beside):
            end.cancel()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    import uvloop  # noqa: PLC0415 (only this process wants it)

    for name in ("asyncio", "aiofastnet"):
        logging.getLogger(name).setLevel(logging.ERROR)  # a client that hangs up is no news to an exchange

    asked = arguments(sys.argv[1:] if argv is None else argv)
    try:
        uvloop.run(serve(asked))
    except (PerpscopeError, ValueError) as error:
        hint = getattr(error, "hint", None)
        print(f"error: {error}" + (f"\n{hint}" if hint else ""), file=sys.stderr)
        return error.exit_code if isinstance(error, PerpscopeError) else ConfigError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
