"""`demo`, `live` and `collect`: run the heart until the time is up or Ctrl-C."""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perpscope.cli.options import Config, Db, Duration, Headless, Json, Record, Symbols, settings

if TYPE_CHECKING:
    from perpscope.app.collect import Collector, Outcome
    from perpscope.app.demo import DemoMarket
    from perpscope.app.status import Status
    from perpscope.config import Settings

Seed = Annotated[int, typer.Option("--seed", help="Seed of the generated market.")]
Venues = Annotated[str | None, typer.Option("--venues", help="Venues, comma-separated.")]


def demo(
    seed: Seed = 7,
    speed: Annotated[str, typer.Option("--speed", help="Market seconds per real second.")] = "60x",
    duration: Duration = None,
    headless: Headless = False,
    db: Db = None,
    symbols: Symbols = None,
    record: Record = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Collect a generated market from the lab over a real WebSocket. DEMO DATA, kept apart from the real store."""
    import uvloop

    from perpscope.app.demo import DemoMarket, rate_of

    loaded = settings(config=config, symbols=symbols, record=record)
    market = DemoMarket(seed=seed, rate=rate_of(speed), database=db, duration_s=duration)
    raise typer.Exit(uvloop.run(_demo(market, loaded.settings, duration, headless=headless, json=json)))


def live(
    duration: Duration = None,
    headless: Headless = False,
    db: Db = None,
    symbols: Symbols = None,
    venues: Venues = None,
    record: Record = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Collect the real venues and draw the status. No keys needed."""
    _observe(config, db, symbols, venues, record, duration, headless=headless, json=json)


def collect(
    duration: Duration = None,
    mock: Annotated[
        bool, typer.Option("--mock", help="Collect the lab's generated market instead. DEMO DATA.")
    ] = False,
    db: Db = None,
    symbols: Symbols = None,
    venues: Venues = None,
    record: Record = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Collect without drawing, until Ctrl-C."""
    if mock:
        demo(duration=duration, headless=True, db=db, symbols=symbols, record=record, config=config, json=json)
    _observe(config, db, symbols, venues, record, duration, headless=True, json=json)


def _observe(
    config: Path | None,
    db: Path | None,
    symbols: str | None,
    venues: str | None,
    record: Path | None,
    duration: float | None,
    *,
    headless: bool,
    json: bool,
) -> None:
    import uvloop

    from perpscope.app import places
    from perpscope.app.collect import Collector

    loaded = settings(config=config, db=db, symbols=symbols, venues=venues, record=record)
    path, why = places.database(loaded.settings.database.path, loaded.origins.get("database.path", "configuration"))
    _say(f"database {path} ({why})")

    async def heart() -> int:
        collector = Collector(loaded.settings, database=path, announce=_say)
        return await _run(collector, duration, headless=headless, json=json)

    raise typer.Exit(uvloop.run(heart()))


async def _demo(market: "DemoMarket", tree: "Settings", duration: float | None, *, headless: bool, json: bool) -> int:
    async with market:
        _say(f"DEMO DATA, never the real store: {market.database}")
        collector = market.collector(tree, announce=_say)
        return await _run(collector, duration, headless=headless, json=json)


async def _run(collector: "Collector", duration: float | None, *, headless: bool, json: bool) -> int:
    from perpscope.cli.screen import Screen

    loop = asyncio.get_running_loop()
    interrupted = False

    def stop(number: int) -> None:
        nonlocal interrupted
        interrupted = number == signal.SIGINT
        collector.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    last: list[Status] = []
    with Screen(shown=not (headless or json)) as screen:
        outcome = await collector.run(duration, on_tick=screen.draw, before_close=lambda c: last.append(c.status()))
        screen.finish(last[0], json=json, out=sys.stdout)
    return 130 if interrupted else _exit_code(outcome)


def _exit_code(outcome: "Outcome") -> int:
    frames = outcome.frames
    _say(
        f"frames: {frames.frames:,} total, {frames.routed:,} routed, {frames.unhandled:,} unhandled, "
        f"{frames.control:,} control, {frames.rejected:,} rejected"
    )
    _say(f"memory: {_peak_mb():,.0f} MB at most")
    for why, raw in frames.samples:
        _say(f"rejected: {why[:160]} ({len(raw)} bytes kept)")
    for venue in outcome.unreachable:
        _say(f"never reached: {venue}")
    if outcome.market_events == 0:
        _say("error no-events: not one event came · exit 4 · docs/errors.md#no-events")
        return 4
    return 0


def _peak_mb() -> float:
    """The most memory this program has held, MB.

    Linux's `ru_maxrss` begins with what the process was before it became this program, a copy of whoever started it;
    the mark in `/proc` does not. macOS counts bytes where Linux counts kilobytes.
    """
    import resource

    with contextlib.suppress(OSError), Path("/proc/self/status").open(encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1e3
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
