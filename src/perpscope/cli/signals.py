"""`signals`: what strategies and models thought, near misses among them; as it stands, or as it comes."""

import sys
import time
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, database, settings

if TYPE_CHECKING:
    from pathlib import Path

    from perpscope.app.answers.signals import SignalsAsked, SignalTold
    from perpscope.settings import Settings

#: Real seconds between two looks.
_EVERY_S = 1.0


def signals(
    symbol: Annotated[str | None, typer.Option("--symbol", help="Coin, symbol or id; default: all.")] = None,
    strategy: Annotated[str | None, typer.Option("--strategy", help="Of this one alone; forecast = models.")] = None,
    kind: Annotated[Literal["all", "signals", "near-misses"], typer.Option("--kind", help="Which of them.")] = "all",
    explain: Annotated[bool, typer.Option("--explain", help="With what the rules looked at.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="The newest so many.")] = 20,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """What strategies and models thought: opinions, no orders."""
    from perpscope.app.answers.signals import SignalsAsked, read_page

    loaded = settings(config=config, db=db)
    path = database(loaded)
    asked = SignalsAsked(name=symbol, strategy=strategy, kind=kind)
    page = read_page(path, loaded.settings, asked, limit)
    found = page.signals[::-1]
    if json and not follow:
        print(msgspec.json.encode({"signals": page.signals, "data": page.data, "at_ms": page.at_ms}).decode())
        return
    for one in found:
        _print(one, explain=explain, json=json)
    if not found and not follow:
        print("nothing was thought yet: [strategy.NAME] enabled and [inference] say what is", file=sys.stderr)
    if follow:
        _follow(path, loaded.settings, asked, {_key(one) for one in found}, explain=explain, json=json)


def _follow(
    path: "Path",
    tree: "Settings",
    asked: "SignalsAsked",
    told: set[tuple[object, ...]],
    *,
    explain: bool,
    json: bool,
) -> None:
    """Print what is new, each once, until Ctrl-C."""
    from perpscope.app.answers.signals import read_page

    try:
        while True:
            time.sleep(_EVERY_S)
            found = read_page(path, tree, asked, 1000).signals[::-1]
            for one in found:
                if _key(one) not in told:
                    _print(one, explain=explain, json=json)
            told = {_key(one) for one in found}
    except KeyboardInterrupt:
        return


def _key(one: "SignalTold") -> tuple[object, ...]:
    return (one.at_ms, one.strategy, one.instrument)


def _print(one: "SignalTold", *, explain: bool, json: bool) -> None:
    """One line; with `explain` what was looked at below it."""
    if json:
        print(msgspec.json.encode(one).decode(), flush=True)
        return
    from perpscope.reports.numerals import moment

    parts = [moment(one.at_ms, "%Y-%m-%d %H:%M:%S"), one.instrument, one.strategy]
    parts.append(f"near miss {one.side}" if one.is_near_miss else one.side)
    if one.p_up is not None and one.p_down is not None:
        parts.append(f"up {one.p_up:.1%} down {one.p_down:.1%}")
    if one.edge_bps is not None:
        parts.append(f"expects {one.edge_bps:+.1f} bp")
    parts += [word for word in (one.why, _failed(one), _refused(one)) if word]
    if one.edge is not None:
        parts.append(f"edge {one.edge}")
    print("  ".join(parts), flush=True)
    if explain:
        for name, value in one.values.items():
            print(f"    {name} {value:,.6g}")


def _failed(one: "SignalTold") -> str:
    return f"failed: {', '.join(one.failed)}" if one.failed else ""


def _refused(one: "SignalTold") -> str:
    return f"not ordered: {one.refusal}" if one.refusal else ""
