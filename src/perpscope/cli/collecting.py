"""`live` and `collect`: run the heart until the time is up or Ctrl-C."""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from perpscope.cli.addresses import Host, Open, Port
from perpscope.cli.options import Config, Db, Duration, Headless, Json, Record, Symbols, settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from perpscope.app.collect import Collector, Outcome
    from perpscope.app.status import Status
    from perpscope.cli.faces import Face
    from perpscope.cli.screen import Screen
    from perpscope.config import Loaded

Venues = Annotated[str | None, typer.Option("--venues", help="Venues, comma-separated.")]


def live(
    duration: Duration = None,
    headless: Headless = False,
    db: Db = None,
    symbols: Symbols = None,
    venues: Venues = None,
    record: Record = None,
    config: Config = None,
    json: Json = False,
    host: Host = None,
    port: Port = None,
    open_: Open = None,
) -> None:
    """Collect the real venues, draw the status and serve a face. No keys needed."""
    loaded = settings(config=config, db=db, symbols=symbols, venues=venues, record=record)
    face = face_beside(loaded, headless=headless, host=host, port=port, is_opened=open_, config=config)
    _observe(loaded, duration, headless=headless, json=json, face=face)


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
        from perpscope.cli.demo import show

        tree = settings(config=config, symbols=symbols, record=record).settings
        show(tree, duration=duration, db=db, headless=True, json=json, is_witnessed=False)
    loaded = settings(config=config, db=db, symbols=symbols, venues=venues, record=record)
    _observe(loaded, duration, headless=True, json=json)


def face_beside(
    loaded: "Loaded",
    *,
    headless: bool,
    host: str | None,
    port: int | None,
    is_opened: bool | None,
    config: Path | None,
    environment: "Mapping[str, str] | None" = None,
) -> "Callable[[Path], Face] | None":
    """The face to start beside a heart, its address open already; None where none is wanted.

    Args:
        loaded: what the configuration says.
        headless: none, unless a port is named.
        host: to listen at; None = as configured.
        port: so.
        is_opened: whether a browser is opened; None = on a desktop.
        config: file of the configuration.
        environment: variables of its process beside ours.

    Raises:
        ConfigError: the address is taken, or must not be listened at.
    """
    if headless and port is None:
        return None
    from perpscope.cli.faces import face_of

    return face_of(
        loaded,
        host=host,
        port=port,
        is_opened=is_opened,
        config=config,
        announce=_say,
        environment=environment,
    )


def _observe(
    loaded: "Loaded",
    duration: float | None,
    *,
    headless: bool,
    json: bool,
    face: "Callable[[Path], Face] | None" = None,
) -> None:
    from perpscope.app import doctor_machine, places
    from perpscope.app.collect import Collector
    from perpscope.feeds import event_loop

    doctor_machine.refuse_too_few_open_files()
    path, why = places.database(loaded.settings.database.path, loaded.origins.get("database.path", "configuration"))
    _say(f"database {path} ({why})")

    async def heart() -> int:
        collector = Collector(loaded.settings, database=path, announce=_say)
        return await run_collector(collector, duration, headless=headless, json=json, face=face)

    raise typer.Exit(event_loop.run(heart()))


async def run_collector(
    collector: "Collector",
    duration: float | None,
    *,
    headless: bool,
    json: bool,
    on_tick: "Callable[[Collector], None]" = lambda _: None,
    more: "Callable[[bool], Awaitable[Mapping[str, object]]] | None" = None,
    face: "Callable[[Path], Face] | None" = None,
) -> int:
    """Collect until the time is up or somebody says so; draw the status, or print it at the end.

    Args:
        collector: not running yet.
        duration: real seconds; None = until told to stop.
        headless: draw nothing.
        json: print one JSON object.
        on_tick: called after each Tick.
        more: asked, once all is collected, what stands in the JSON object beside the status; told whether a signal
            ended it, so that it must not take long.
        face: made of the database and kept running meanwhile.

    Returns:
        The exit code.
    """
    from perpscope.cli.screen import Screen

    caught: list[int] = []
    beside = None if face is None else face(collector.database)
    _heed(collector, caught, beside)
    last: list[Status] = []
    async with contextlib.AsyncExitStack() as stack:
        screen = stack.enter_context(Screen(shown=not (headless or json)))
        if beside is not None:
            await stack.enter_async_context(beside)

        def tick(running: "Collector") -> None:
            screen.draw(running)
            on_tick(running)

        outcome = await collector.run(duration, on_tick=tick, before_close=lambda c: last.append(c.status()))
        told = {} if more is None or not json else await more(bool(caught))
        _finish(screen, last[0], told, json=json)
    return 130 if signal.SIGINT in caught else _exit_code(outcome)


def _heed(collector: "Collector", caught: list[int], beside: "Face | None") -> None:
    """Let Ctrl-C and SIGTERM end heart and face at once."""

    def stop(number: int) -> None:
        caught.append(number)
        collector.stop()
        if beside is not None:
            beside.end_soon()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)


def _finish(screen: "Screen", status: "Status", told: "Mapping[str, object]", *, json: bool) -> None:
    """Leave the last status standing, or print it with whatever else is told."""
    if told:
        sys.stdout.write(msgspec.json.encode({**msgspec.to_builtins(status), **told}).decode() + "\n")
    else:
        screen.finish(status, json=json, out=sys.stdout)


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
