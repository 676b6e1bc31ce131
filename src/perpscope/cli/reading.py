"""`status` and `replay`: read a store, or a recording through the real pipeline."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, settings


def status(
    db: Db = None,
    watch: Annotated[bool, typer.Option("--watch", help="Draw anew each second until Ctrl-C.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Feeds, counts and the database."""
    from perpscope.app import places
    from perpscope.app.shown_market import ShownMarket
    from perpscope.app.status import read_status
    from perpscope.cli.screen import print_status, watch_status

    loaded = settings(config=config, db=db)
    path, why = places.database(loaded.settings.database.path, loaded.origins.get("database.path", "configuration"))
    store = ShownMarket(path).look().store
    if watch and not json:
        watch_status(store, loaded.settings, path)
    found = read_status(store, loaded.settings, path)
    told = "" if store == path else f"; nothing was collected into it: the market is a trader's own, {store}"
    print(f"database {path} ({why}){told}", file=sys.stderr)
    print_status(found, json=json, out=sys.stdout)


def replay(
    recording: Annotated[Path, typer.Argument(help="Recording: perpscope's own, or of any other known form.")],
    db: Db = None,
    venue: Annotated[
        str | None, typer.Option("--venue", help="Whose frames these are; default: what the file tells.")
    ] = None,
    symbol: Annotated[
        str | None, typer.Option("--symbol", help="The one instrument to replay; of rows, whose they are.")
    ] = None,
    json: Json = False,
) -> None:
    """Replay a recording through the real decoders, engine and store."""
    from perpscope.app.replay import replay_tape
    from perpscope.cli.screen import print_replay

    report = replay_tape(recording, venue=venue, symbol=symbol, database=db, announce=_say)
    _say(f"{report.form} of {', '.join(report.venues) or 'nobody'}")
    if json:
        print(msgspec.json.encode(report).decode())
    else:
        print_replay(report, recording, out=sys.stdout)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
