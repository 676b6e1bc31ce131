"""`cascade`: where a shock would stop, what would be forced, and liquidation at risk."""

import re
import sys
from typing import TYPE_CHECKING, Annotated, TextIO

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, database, settings
from perpscope.errors import ConfigError

if TYPE_CHECKING:
    from perpscope.app.sentiment.cascade import CascadeAnswer

_ZONES = 2  #: stretches that people are shown of each side
_TIMES = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9}


def cascade(
    symbol: Annotated[str, typer.Argument(help="Coin (all venues together), symbol or id.")],
    shock: Annotated[
        list[str] | None, typer.Option("--shock", help="How far the price is moved from outside: -3%, 2%.")
    ] = None,
    depth: Annotated[
        str | None, typer.Option("--depth", help="Dollars the market takes within 1 %: 40M; default: by turnover.")
    ] = None,
    kappa: Annotated[float, typer.Option("--kappa", help="How depth grows with distance, with --depth.")] = 1.16,
    lookback: Annotated[str, typer.Option("--lookback", help="How far back positions are followed: 24h, 3d.")] = "3d",
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """What a shock leads to: where it stops, what is forced."""
    from perpscope.app.sentiment.cascade import Shock, read_cascade
    from perpscope.cli.liqmap import hours_of

    moves = tuple(_move(text) for text in shock or ())
    asked = Shock(
        moves=moves or (-0.01, 0.01),
        depth_usd=None if depth is None else _dollars(depth),
        kappa=kappa,
        lookback_h=hours_of(lookback),
    )
    loaded = settings(config=config, db=db)
    path = database(loaded)
    found = read_cascade(path, symbol, asked)
    if json:
        print(msgspec.json.encode(found).decode())
    else:
        print_cascade(found, sys.stdout)


def print_cascade(found: "CascadeAnswer", out: TextIO) -> None:
    """Print the stories, where a cascade feeds itself and what is at risk, in 80 columns."""
    from perpscope.reports.numerals import price, usd

    labels = {"demo": "DEMO DATA: no real market", "replay": "REPLAY of a recording"}
    if (label := labels.get(found.data.value)) is not None:
        print(label, file=out)
    print(f"{found.name} perp {price(found.price)} · ESTIMATE", file=out)
    print(
        f"the market takes {usd(found.depth_at_one_percent_usd)} within 1 % ({found.depth_basis}), "
        f"∝ distance^{found.kappa:.2f}",
        file=out,
    )
    print(f"{'shock':<16}{'quotes left':>12}{'stops at':>22}{'times':>8}{'forced':>10}", file=out)
    for story in found.stories:
        side = "▼ longs" if story.side == "LONG" else "▲ shorts"
        stop = f"{story.stop_pct:+.2f} % {price(story.stop_price):>11}"
        print(
            f"{f'{story.move_pct:+.2g} %':<7}{side:<9}{story.survival:>12.0%}{stop:>22}"
            f"{f'×{story.amplification:.2f}':>8}{usd(story.forced_usd):>10}",
            file=out,
        )
    for fed in found.feeding:
        whose = "longs" if fed.side == "LONG" else "shorts"
        zones = ", ".join(f"{price(low)} – {price(high)}" for low, high in fed.zones[:_ZONES])
        where = f": feeds itself {zones}" if zones else ", below 1: dies out"
        print(f"R of {whose}, {fed.survival:.0%} of quotes: at most {fed.largest_ratio:.2f}{where}", file=out)
    _print_at_risk(found, out)
    for note in found.notes:
        print(f"note: {note}", file=out)


def _print_at_risk(found: "CascadeAnswer", out: TextIO) -> None:
    from perpscope.reports.numerals import usd

    for at, told in enumerate(found.at_risk):
        if not at:
            print(f"{'liquidation at risk':<24}" + "".join(f"{alpha:>10.0%}" for alpha in told.alphas), file=out)
        whose = "▼ longs" if told.side == "LONG" else "▲ shorts"
        row = "".join(f"{usd(amount):>10}" for amount in told.forced_usd)
        print(f"  {told.minutes // 60:>2} h {whose:<18}{row}", file=out)


def _move(text: str) -> float:
    """A fraction of `-3%`."""
    found = re.fullmatch(r"([+-]?\d+(?:\.\d+)?)%", text.replace("−", "-").strip())
    if found is None:
        raise ConfigError("option-value", f"--shock {text!r} is no move", hint="e.g. --shock -3%")
    return float(found[1]) / 100.0


def _dollars(text: str) -> float:
    """Dollars of `40M`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMB]?)", text.replace(",", "").strip().upper())
    if found is None:
        raise ConfigError("option-value", f"--depth {text!r} is no amount", hint="e.g. --depth 40M")
    return float(found[1]) * _TIMES[found[2]]
