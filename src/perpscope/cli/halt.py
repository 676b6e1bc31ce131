"""`halt`: pull the kill switch of a database, and wait until everything is closed."""

import getpass
import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, database, settings

if TYPE_CHECKING:
    from perpscope.app.trade.halting import Halt

#: Exit code: it is halted, and not all is closed yet.
_NOT_FLAT = 1


def halt(
    why: Annotated[str, typer.Option("--why", help="The reason, kept with it.")] = "",
    wait: Annotated[float, typer.Option("--wait", min=0.0, max=3600.0, help="Seconds until all has to be closed.")] = (
        15.0
    ),
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Stop all trading at once: nothing opens, all is closed."""
    from perpscope.app.trade import halting
    from perpscope.feeds.clock import wall_ns

    loaded = settings(config=config, db=db)
    found = halting.halt(
        database(loaded),
        loaded.settings.trade,
        who=f"{getpass.getuser()} by command",
        why=why,
        wait_s=wait,
        wall_ms=lambda: wall_ns() // 1_000_000,
    )
    if json:
        print(msgspec.json.encode(found).decode())
    else:
        _print(found)
    raise typer.Exit(0 if found.is_flat else _NOT_FLAT)


def _print(found: "Halt") -> None:
    print(f"HALTED: {found.why}; perpscope risk reset lifts it")
    for words in found.warnings:
        print(f"! {words}", file=sys.stderr)
    if found.is_flat:
        told = f"{', '.join(found.told)} told so" if found.told else "no trader runs"
        print(f"flat: no money is held and no order works ({told}, {found.seconds:.1f} s)")
        return
    print(f"NOT FLAT after {found.seconds:.1f} s:")
    for run in found.still_open:
        held = f"{run.side} {run.size:g}" if run.side else "nothing held"
        stop = f", stop at {run.stop:g}" if run.stop is not None else ", NO STOP confirmed" if run.side else ""
        orders = f", {run.working} orders work" if run.working else ""
        print(f"  {run.label} {run.run} {run.instrument}: {held}{stop}{orders}")
        print(f"    → {run.what}")
