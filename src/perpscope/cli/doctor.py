"""`doctor`: does each venue still keep its contract with us, and does this machine; and what to change."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, Symbols, settings

if TYPE_CHECKING:
    from rich.console import Console

    from perpscope.app.doctor import Check

Venues = Annotated[str | None, typer.Option("--venues", help="Venues by name, comma-separated; default: all five.")]
Listen = Annotated[float, typer.Option("--listen", min=1.0, help="Seconds a stream is given for its first message.")]


def doctor(
    venues: Venues = None,
    symbols: Symbols = None,
    listen: Listen = 15.0,
    systemd: Annotated[
        bool, typer.Option("--systemd", help="Print a systemd unit for this installation instead.")
    ] = False,
    user: Annotated[bool, typer.Option("--user", help="--systemd: for this user's own systemd.")] = False,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Try every call and stream of each venue once.

    Exit code 1 if something must be changed.
    """
    if systemd or user:
        _print_unit(db, config, is_user=user)
        return
    from rich.console import Console

    from perpscope.app import places
    from perpscope.app.doctor import examine

    loaded = settings(config=config, db=db, symbols=symbols, venues=venues)
    database, _ = places.database(loaded.settings.database.path)
    terminal = Console(file=sys.stderr if json else sys.stdout, highlight=False, soft_wrap=True)

    def told(check: "Check") -> None:
        if not json:
            _print(check, terminal)

    found = asyncio.run(examine(loaded.settings, database=database, listen_s=listen, on_check=told))
    if json:
        print(msgspec.json.encode(found).decode())
    else:
        bad = sum(check.state.value != "ok" for check in found.checks)
        terminal.print(f"{len(found.checks)} checks, {bad} to look at")
    if found.has_failed:
        raise typer.Exit(1)


def _print_unit(db: Path | None, config: Path | None, *, is_user: bool) -> None:
    from perpscope.app import places, service_unit

    loaded = settings(config=config, db=db)
    database, _ = places.database(loaded.settings.database.path)
    text = service_unit.unit(loaded.settings, service_unit.here(database, config), is_user=is_user)
    sys.stdout.write(text)
    if not (is_user or database.parent.is_dir()):
        print(f"first: mkdir -p {database.parent}", file=sys.stderr)
    where = "~/.config/systemd/user" if is_user else "/etc/systemd/system"
    control = "systemctl --user" if is_user else "systemctl"
    print(f"put this into {where}/perpscope.service, then: {control} enable --now perpscope", file=sys.stderr)


def _print(check: "Check", terminal: "Console") -> None:
    colour = {"ok": "green", "warn": "yellow", "fail": "red"}[check.state.value]
    terminal.print(f"[{colour}]{check.state.value:<4}[/] {check.name}", end="  ")
    terminal.print(check.detail, style="dim", markup=False)
    if check.fix is not None:
        terminal.print(f"     → {check.fix}", markup=False)
