"""`map` and `heatmap`: where open positions would be closed by force, now and over the last hours."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, settings
from perpscope.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from perpscope.analytics.liqmap.curves import Cluster
    from perpscope.app.liqmap.answer import HeatAnswer, MapAnswer
    from perpscope.reports.liqmap_charts import Words

Symbol = Annotated[str, typer.Argument(help="Coin (all venues together), symbol or id.")]
Profile = Annotated[str, typer.Option("--profile", help="Leverage that is assumed; docs/map.md lists them.")]
Lookback = Annotated[str, typer.Option("--lookback", help="How far back positions are followed: 24h, 3d.")]
Width = Annotated[float | None, typer.Option("--width", help="Of a bin, quote units; default: by the price.")]
Horizon = Annotated[float, typer.Option("--horizon", help="Minutes the blend with distance is for; 0 = the map alone.")]
Formula = Annotated[str, typer.Option("--formula", help="method; or a baseline: seed (the documents'), public.")]
Png = Annotated[Path | None, typer.Option("--png", help="Write a picture here.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write a page here: one file, needs no network.")]
_BAR = 22  #: signs of the longest bar
_PARTS = 12  #: of an explanation that people are shown
_HOURS = {"h": 1.0, "d": 24.0}


def map_(
    symbol: Symbol,
    profile: Profile = "calibrated",
    lookback: Lookback = "3d",
    top: Annotated[int, typer.Option("--top", help="Clusters to show.")] = 5,
    at: Annotated[
        list[str] | None, typer.Option("--at", help="What if the price goes there, or by so much: 60000, -3%.")
    ] = None,
    width: Width = None,
    horizon: Horizon = 60.0,
    formula: Formula = "method",
    explain: Annotated[
        float | None, typer.Option("--explain", help="Say what the bin at this price is made of.")
    ] = None,
    png: Png = None,
    html: Html = None,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Where positions would be closed by force, in dollars by price."""
    from perpscope.app.liqmap.parts import Question
    from perpscope.app.liqmap.reading import read_map

    prices, moves = _targets(at)
    question = Question(
        name=symbol,
        profile=profile,
        lookback_h=hours_of(lookback),
        horizon_min=horizon,
        width=width,
        formula=formula,
        top=top,
        prices=prices,
        moves=moves,
        explained=explain,
    )
    found = read_map(_database(config, db), question)
    _write(png, lambda: _map_picture(found))
    _write(html, lambda: _map_page(found))
    if json:
        print(msgspec.json.encode(found).decode())
    else:
        print_map(found, sys.stdout)


def heatmap(
    symbol: Symbol,
    profile: Profile = "calibrated",
    lookback: Lookback = "3d",
    hours: Annotated[float, typer.Option("--hours", help="That are shown.")] = 24.0,
    every: Annotated[float, typer.Option("--every", help="Minutes between columns, 5 or more.")] = 15.0,
    width: Width = None,
    horizon: Horizon = 60.0,
    png: Png = None,
    html: Html = None,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """The map as it was over the last hours, time by price."""
    from perpscope.app.liqmap.answer import cells
    from perpscope.app.liqmap.parts import Question
    from perpscope.app.liqmap.reading import read_heatmap

    question = Question(name=symbol, profile=profile, lookback_h=hours_of(lookback), horizon_min=horizon, width=width)
    found = read_heatmap(_database(config, db), question, hours=hours, every_min=every)
    _write(png, lambda: _heat_picture(found))
    _write(html, lambda: _heat_page(found))
    if json:
        told = {name: array.tolist() for name, array in cells(found).items()}
        body = {"name": found.name, "data": found.data.value, "basis": "estimated", "profile": found.profile, **told}
        print(msgspec.json.encode({**body, "venues": found.venues, "notes": found.notes}).decode())
    else:
        print_heatmap(found, sys.stdout)


def print_map(found: "MapAnswer", out: TextIO) -> None:
    """Print clusters, what-ifs, direction and what it rests on, in 80 columns."""
    from perpscope.reports.numerals import hours, price, usd

    _print_label(found.data.value, out)
    told = found.summary
    venues = f"{len(found.venues)} venue{'s' if len(found.venues) > 1 else ''}"
    age = min(venue.age_ms for venue in found.venues) // 1000
    length = hours((found.at_ms - found.from_ms) / 3_600_000)
    print(f"{found.name} perp {price(told.price)}  {found.profile}, {length}, {venues}  data age {age:,} s", file=out)
    print(f"ESTIMATE · formula {found.formula} · open interest {usd(told.total_oi_usd)}", file=out)
    most = max((cluster.usd for cluster in found.clusters), default=1.0)
    rows = sorted(found.clusters, key=lambda cluster: -cluster.peak)
    above = [cluster for cluster in rows if cluster.peak >= told.price]
    for cluster in above:
        print(_cluster_line(cluster, most), file=out)
    print(f"{price(told.price):>11}  ──────── price", file=out)
    for cluster in rows[len(above) :]:
        print(_cluster_line(cluster, most), file=out)
    for what in found.what_if:
        moves = "falls" if what.is_long else "rises"
        whose = "longs" if what.is_long else "shorts"
        share = f"{what.share_of_open_interest:.2%} of open interest"
        note = "" if what.is_covered else ", beyond the map"
        print(
            f"if price {moves} {abs(what.distance_pct):.2g} % to {price(what.price)} → about {usd(what.usd)} "
            f"of {whose}, {share}{note}",
            file=out,
        )
    pull = found.direction
    interval = f"[{pull.low:+.2f}, {pull.high:+.2f}]"
    print(f"leans {pull.bias.value} · balance {pull.balance:+.2f} {interval} · descriptive, no forecast", file=out)
    _print_explanation(found, out)
    for note in found.notes:
        print(f"note: {note}", file=out)


def print_heatmap(found: "HeatAnswer", out: TextIO) -> None:
    """Print what was made; the picture or `--json` has the cells."""
    import numpy as np

    from perpscope.reports.numerals import price, usd, window

    _print_label(found.data.value, out)
    heat = found.heatmap
    if not heat.columns:
        print(f"{found.name}: no column, nothing was known in these hours", file=out)
        return
    times = heat.times // 1_000_000
    largest = heat.usd.max(axis=0)
    at = int(largest.argmax())
    print(f"{found.name} · {window(int(times[0]), int(times[-1]))} · {found.profile} · ESTIMATE", file=out)
    size = f"{len(heat.columns):,} columns × {heat.edges.size - 1:,} bins of {price(float(np.diff(heat.edges)[0]))}"
    print(f"{size}, {heat.bytes:,} bytes · {', '.join(found.venues)}", file=out)
    print(
        f"brightest {price(float(heat.edges[at]))} – {price(float(heat.edges[at + 1]))}: {usd(float(largest[at]))}",
        file=out,
    )
    for note in found.notes:
        print(f"note: {note}", file=out)


def _print_label(kind: str, out: TextIO) -> None:
    labels = {"demo": "DEMO DATA: no real market", "replay": "REPLAY of a recording"}
    if kind in labels:
        print(labels[kind], file=out)


def _cluster_line(cluster: "Cluster", most: float) -> str:
    from perpscope.reports.numerals import price, usd

    side = "▼ longs " if cluster.is_long else "▲ shorts"
    bar = "█" * max(1, round(_BAR * cluster.usd / most)) if most > 0.0 else ""
    sigma = "" if cluster.distance_sigma is None else f"{cluster.distance_sigma:+.1f}σ"
    mark = "" if cluster.is_validated else " far"
    where = f"{price(cluster.peak):>11} {cluster.distance_pct:+6.1f} % {sigma:>6}".replace("-", "−")
    return f"{where}  {side} {bar:<{_BAR}} {usd(cluster.usd):>7}{mark}"


def _print_explanation(found: "MapAnswer", out: TextIO) -> None:
    from perpscope.reports.numerals import moment, price, short

    told = found.explanation
    if told is None:
        return
    whose = "longs" if told.is_long else "shorts"
    print(
        f"{whose} at {price(told.low)} – {price(told.high)}, largest venue: {short(told.size)} held, "
        f"{short(told.forced)} expected; {len(told.parts):,} parts",
        file=out,
    )
    for part in told.parts[:_PARTS]:
        when = moment(part.ts // 1_000_000, "%d %b %H:%M")
        print(
            f"  {when}  {part.rung:<10} {part.inflow:<9} entry {price(part.entry):>10}  held {short(part.size):>7} "
            f"of {short(part.opened):>7}  ΔOI {short(part.growth)}",
            file=out,
        )
    if (more := len(told.parts) - _PARTS) > 0:
        print(f"  and {more:,} more; --json lists all", file=out)


def _targets(at: list[str] | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Prices, and moves as fractions, of `--at`; 3 % down and up if there is none."""
    if not at:
        return (), (-0.03, 0.03)
    prices, moves = [], []
    for text in at:
        plain = text.replace("−", "-").replace(",", "").strip()
        try:
            if plain.endswith("%"):
                moves.append(float(plain[:-1]) / 100.0)
            else:
                prices.append(float(plain))
        except ValueError:
            raise ConfigError(
                "option-value", f"--at {text!r} is no price", hint="e.g. --at 60000 or --at -3%"
            ) from None
    return tuple(prices), tuple(moves)


def hours_of(text: str) -> float:
    """Hours of `24h` or `3d`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([hd])", text.strip().lower())
    if found is None:
        raise ConfigError("option-value", f"--lookback {text!r} is no length of time", hint="e.g. 24h or 3d")
    return float(found[1]) * _HOURS[found[2]]


def _database(config: Path | None, db: Path | None) -> Path:
    from perpscope.app import places

    loaded = settings(config=config, db=db)
    path, why = places.database(loaded.settings.database.path, loaded.origins.get("database.path", "configuration"))
    print(f"database {path} ({why})", file=sys.stderr)
    return path


def _write(place: Path | None, make: "Callable[[], bytes]") -> None:
    """Write what is asked for, if it is."""
    from perpscope.app.analyze import writing_to

    if place is None:
        return
    made = make()
    with writing_to(place):
        place.write_bytes(made)
    print(f"wrote {place}", file=sys.stderr)


def _map_page(found: "MapAnswer") -> bytes:
    from perpscope.app.liqmap.pages import map_html

    return map_html(found)


def _heat_page(found: "HeatAnswer") -> bytes:
    from perpscope.app.liqmap.pages import heat_html

    return heat_html(found)


def _map_picture(found: "MapAnswer") -> bytes:
    from perpscope.reports.liqmap_charts import Bar, map_picture
    from perpscope.reports.numerals import price

    bars = [Bar(one.low, one.high, one.usd, one.side == "LONG", one.measured_usd) for one in found.bins]
    words = _words(
        f"{found.name} liquidation map", f"{found.profile} · price {price(found.summary.price)}", found.data.value
    )
    return map_picture(bars, found.summary.price, words)


def _heat_picture(found: "HeatAnswer") -> bytes:
    from perpscope.app.liqmap.answer import cells
    from perpscope.reports.liqmap_charts import heat_picture

    if len(found.prices) < 2:
        raise ConfigError(
            "option-value", "a picture needs two columns or more", hint="take more --hours or a smaller --every"
        )
    told = cells(found)
    words = _words(
        f"{found.name} liquidation heatmap", f"{found.profile} · {', '.join(found.venues)}", found.data.value
    )
    prices = [(low, high, close) for _, low, high, close in found.prices]
    return heat_picture(told["time_ms"], told["edges"], told["usd"], prices, words)


def _words(title: str, subject: str, kind: str) -> "Words":
    from perpscope.reports.liqmap_charts import Words

    tag = "ESTIMATE" if kind == "observed" else f"{kind.upper()} DATA · ESTIMATE"
    note = "Inferred from open interest, prices and liquidations; levels more than 1 % away are not validated."
    return Words(title, subject, tag, note)
