"""Options many commands share, and how they become settings."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from perpscope.config import Loaded, load

Config = Annotated[Path | None, typer.Option("--config", help="TOML file to read instead of the default places.")]
Db = Annotated[Path | None, typer.Option("--db", help="Database file.")]
Duration = Annotated[
    float | None, typer.Option("--duration", min=0.0, help="Wall seconds from the moment all is ready; then stop.")
]
Headless = Annotated[bool, typer.Option("--headless", help="Draw nothing; print a status at the end.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on one line.")]
Record = Annotated[Path | None, typer.Option("--record", help="Folder to keep raw frames in, for replay.")]
Symbols = Annotated[
    str | None, typer.Option("--symbols", help="Coins, symbols or ids, comma-separated; default: thirty liquid ones.")
]


def settings(
    *,
    config: Path | None = None,
    db: Path | None = None,
    symbols: str | None = None,
    venues: str | None = None,
    record: Path | None = None,
    more: Mapping[str, object] | None = None,
) -> Loaded:
    """The settings with this command line on top; from here on the log goes where they say.

    Args:
        config: the one file to read.
        db: `database.path`.
        symbols: `collect.symbols`, comma-separated.
        venues: `collect.venues`, comma-separated.
        record: `recording.folder`.
        more: dotted key → value of further flags; None = not given.

    Raises:
        ConfigError: a file, key or value is wrong.
    """
    flags: dict[str, object] = {
        "database.path": None if db is None else str(db),
        "collect.symbols": _names(symbols),
        "collect.venues": _names(venues),
        "recording.folder": None if record is None else str(record),
        **(more or {}),
    }
    from perpscope.app import logs

    loaded = load(file=config, flags=flags)
    logs.set_up(loaded.settings.log)
    return loaded


def database(loaded: Loaded) -> Path:
    """The store these settings mean; it is said on stderr which, and why."""
    from perpscope.app import places

    path, why = places.database(loaded.settings.database.path, loaded.origins.get("database.path", "configuration"))
    print(f"database {path} ({why})", file=sys.stderr, flush=True)
    return path


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]
