"""`sentiment`: how people are positioned, what makes it so, and how close forced selling is."""

import sys
from typing import TYPE_CHECKING, Annotated, TextIO

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, database, settings

if TYPE_CHECKING:
    from perpscope.analytics.cascade_events import Event
    from perpscope.analytics.sentiment import Contribution
    from perpscope.app.sentiment.reading import Answer, FigureTold, RiskTold

_NAMES = {
    "ls_accounts": "long/short accounts",
    "top_positions": "top traders' positions",
    "funding": "funding per 8 h",
    "taker": "taker buys/sells 1 h",
    "basis": "basis 1 h",
    "oi_trend": "open interest 24 h",
    "liq_imbalance": "liquidations 4 h",
    "momentum": "momentum 24 h",
    "volatility": "volatility 24 h",
}


def sentiment(
    symbol: Annotated[str, typer.Argument(help="Coin (all venues together), symbol or id.")],
    events: Annotated[bool, typer.Option("--events", help="The cascades of the last 24 h, too.")] = False,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """How the market is positioned, 0–100, and what makes it so."""
    from perpscope.app.sentiment.reading import read_sentiment

    loaded = settings(config=config, db=db)
    path = database(loaded)
    found = read_sentiment(path, symbol, events=events)
    if json:
        print(msgspec.json.encode(found).decode())
    else:
        print_sentiment(found, sys.stdout)


def print_sentiment(found: "Answer", out: TextIO) -> None:
    """Print the index, its parts and the risk, in 80 columns."""
    from perpscope.reports.numerals import moment
    from perpscope.stores.status import StoreKind

    labels = {StoreKind.DEMO: "DEMO DATA: no real market", StoreKind.REPLAY: "REPLAY of a recording"}
    if (label := labels.get(found.data)) is not None:
        print(label, file=out)
    index = found.sentiment
    value = "not known" if index.value is None else f"{index.value:.1f} of 100, {index.label}"
    print(f"{found.name} · {moment(found.at_ms)} UTC · {len(found.instruments)} contracts", file=out)
    print(f"sentiment {value} · {index.coverage:.0%} of the weights count", file=out)
    print(f"{'':<24}{'now':>10}{'z':>7}{'points':>8}{'n':>6}{'told by':>9}{'24 h':>9}", file=out)
    for part, row in zip(index.contributions, found.figures, strict=True):
        print(_line(part, row), file=out)
    _print_risk(found.risk, out)
    if found.events is not None:
        _print_events(found.events, out)
    for note in found.notes:
        print(f"note: {note}", file=out)


def _line(part: "Contribution", row: "FigureTold") -> str:
    from perpscope.cli.feed_tables import seen
    from perpscope.reports.numerals import UNKNOWN

    z = UNKNOWN if part.z is None else f"{part.z:+.1f}"
    n = "" if part.history is None else f"{part.history:,}"
    told = UNKNOWN if not row.sources else f"{row.told_by:.0%}"
    cells = f"{_now(row):>10}{z:>7}{part.points:>+8.1f}{n:>6}{told:>9}{seen(row.coverage_24h)!s:>9}"
    why = f"  {part.why}" if part.why else ""
    return f"{_NAMES[part.name]:<24}{cells}{why}"


def _now(row: "FigureTold") -> str:
    from perpscope.reports.numerals import UNKNOWN

    if row.level is None:
        return UNKNOWN
    if row.name in {"funding", "basis"}:
        return f"{row.level * 100:+.4f} %"
    if row.name in {"oi_trend", "volatility"}:
        return f"{row.level * 100:.2f} %"
    return f"{row.level:+.2f}" if row.name in {"momentum", "liq_imbalance"} else f"{row.level:.3f}"


def _print_risk(told: "RiskTold", out: TextIO) -> None:
    """The score with its sides and parts."""
    score = told.score
    if score.value is None or score.long is None or score.short is None:
        print(f"risk not known: {score.coverage:.0%} of its weights", file=out)
        return
    print(
        f"risk {score.value:.1f} of 100, {told.level} · ▼ long {score.long:.1f} · ▲ short {score.short:.1f} · "
        f"{score.coverage:.0%} of its weights",
        file=out,
    )
    parts = [f"{part.name.replace('_', ' ')} {part.points:.1f}" for part in score.parts if part.level is not None]
    print(f"  {' · '.join(parts)}", file=out)


def _print_events(events: "list[Event]", out: TextIO) -> None:
    """Each cascade on a line."""
    from perpscope.model.market import PositionSide
    from perpscope.reports.numerals import moment, percent, usd

    if not events:
        print("no cascade in the last 24 h", file=out)
    for event in events:
        side = "▼ long" if event.side is PositionSide.LONG else "▲ short"
        length = "lasts" if event.ts_end is None else f"{(event.ts_end - event.ts_start) / 60e9:.0f} min"
        print(
            f"{side} cascade by {event.rule.value} · {moment(event.ts_start // 10**6)} UTC · {length} · "
            f"{percent(event.trough_return, signed=True)} · {usd(event.forced_usd)} · severity {event.severity:.0f}"
            f"{'' if event.amplification is None else f' · amplified ×{event.amplification:.1f}'}",
            file=out,
        )
