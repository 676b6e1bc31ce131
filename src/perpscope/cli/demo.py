"""`demo`: a generated market on five venues, with days of it in the store already; what a newcomer sees."""

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec
import typer

from perpscope.cli.addresses import Host, Open, Port
from perpscope.cli.collecting import face_beside, run_collector
from perpscope.cli.options import Config, Db, Duration, Headless, Json, Record, Symbols, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from perpscope.app.demo import DemoMarket
    from perpscope.app.demo_firsts import Firsts
    from perpscope.cli.faces import Face
    from perpscope.settings import Settings

Seed = Annotated[int, typer.Option("--seed", help="Seed of the generated market.")]


def demo(
    seed: Seed = 7,
    speed: Annotated[str, typer.Option("--speed", help="Market seconds per real second.")] = "60x",
    days: Annotated[float, typer.Option("--days", help="Market days in the store at the opening; 0 = none.")] = 8.0,
    duration: Duration = None,
    headless: Headless = False,
    db: Db = None,
    symbols: Symbols = None,
    record: Record = None,
    config: Config = None,
    json: Json = False,
    host: Host = None,
    port: Port = None,
    open_: Open = None,
) -> None:
    """Collect a generated market of five venues over real WebSockets. DEMO DATA, kept apart from the real store."""
    loaded = settings(config=config, symbols=symbols, record=record)
    from perpscope.app.demo import told_to_face

    face = face_beside(
        loaded,
        headless=headless,
        host=host,
        port=port,
        is_opened=open_,
        config=config,
        environment=told_to_face(loaded.settings),
    )
    show(
        loaded.settings,
        seed=seed,
        speed=speed,
        days=days,
        duration=duration,
        db=db,
        headless=headless,
        json=json,
        face=face,
    )


def show(
    tree: "Settings",
    *,
    seed: int = 7,
    speed: str = "60x",
    days: float = 0.0,
    duration: float | None,
    db: "Path | None",
    headless: bool,
    json: bool,
    is_witnessed: bool | None = None,
    face: "Callable[[Path], Face] | None" = None,
) -> NoReturn:
    """Run a demo and exit; `is_witnessed` says whether its JSON has the hash of its frames (None: it has)."""
    from perpscope.app.demo import DemoMarket, rate_of
    from perpscope.feeds import event_loop

    market = DemoMarket(
        seed=seed,
        rate=rate_of(speed),
        database=db,
        duration_s=duration,
        symbols=tree.collect.symbols,
        days=days,
        is_witnessed=json if is_witnessed is None else is_witnessed,
        announce=_say,
    )
    raise typer.Exit(event_loop.run(_demo(market, tree, duration, headless=headless, json=json, face=face)))


async def _demo(
    market: "DemoMarket",
    tree: "Settings",
    duration: float | None,
    *,
    headless: bool,
    json: bool,
    face: "Callable[[Path], Face] | None",
) -> int:
    """Open, collect, close; a signal at any time ends it."""
    from perpscope.app.demo_firsts import Firsts

    task = asyncio.current_task()
    caught: list[int] = []

    def end(number: int) -> None:
        caught.append(number)
        if task is not None and len(caught) == 1:
            task.cancel()

    def heed() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, end, number)

    heed()
    try:
        async with market:
            _say(market.words)
            firsts = Firsts(market.database, market.start_ns)

            async def more(is_ended: bool) -> "Mapping[str, object]":
                heed()
                return await _told(market, firsts, is_hurried=not is_ended)

            collector = market.collector(tree, announce=_say)
            return await run_collector(
                collector, duration, headless=headless, json=json, on_tick=firsts.look, more=more, face=face
            )
    except asyncio.CancelledError:
        if not caught:
            raise
        return 130 if caught[0] == signal.SIGINT else 0


async def _told(market: "DemoMarket", firsts: "Firsts", *, is_hurried: bool) -> "Mapping[str, object]":
    """What a demo's JSON says beside the status."""
    cost = market.cost()
    return {
        "seed": market.seed,
        "frames_hash": await market.frames_hash(is_hurried=is_hurried),
        "opening": msgspec.to_builtins(firsts.told()),
        "lab": msgspec.to_builtins(cost),
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
