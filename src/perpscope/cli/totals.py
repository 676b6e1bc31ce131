"""`tape`: liquidations as they came, and what they are a sample of."""

import sys
import textwrap
from typing import TYPE_CHECKING, Annotated, TextIO

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, database, settings

if TYPE_CHECKING:
    from perpscope.analytics.totals.amounts import Amount
    from perpscope.app.totals.reading import FeedTotals, TotalsReport

_MOST_LINES = 12  #: coins and feeds that people are shown; `--json` lists all
_WHY_FLOOR = {
    "contradicted": "more than one a second was told: no rule is known",
    "failed": "the estimator failed its own score here",
    "watchlist": "a watchlist, in none of the sums",
}


def tape(
    symbol: Annotated[str | None, typer.Argument(help="Coin, symbol or id; default: everything.")] = None,
    hours: Annotated[float, typer.Option("--hours", help="How far back; cut to the data.")] = 24.0,
    last: Annotated[int, typer.Option("--last", help="How many of the newest liquidations to list.")] = 20,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Liquidations as they came, beside true totals."""
    from perpscope.app.totals.reading import read_totals

    loaded = settings(config=config, db=db)
    path = database(loaded)
    found = read_totals(path, symbol=symbol, hours=hours, last=last)
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    if json:
        print(msgspec.json.encode(found).decode())
    else:
        print_totals(found, out=sys.stdout)


def print_totals(report: "TotalsReport", *, out: TextIO) -> None:
    """Print the tape and the totals, in 80 columns."""
    from perpscope.app.totals.reading import described
    from perpscope.reports.numerals import hours, window
    from perpscope.stores.status import StoreKind

    labels = {StoreKind.DEMO: "DEMO DATA: no real market", StoreKind.REPLAY: "REPLAY of a recording"}
    if (label := labels.get(report.data)) is not None:
        print(label, file=out)
    _print_tape(report, out)
    print(f"{window(report.from_ms, report.to_ms)} · {hours(report.hours)}", file=out)
    print(textwrap.fill(described(report), 80), file=out)
    print(f"\n{'':<23}{'observed ≥':>11}{'estimated':>12}{'5 – 95 %':>21}{'seen':>10}", file=out)
    for name, side in (("▼ longs", report.total.long), ("▲ shorts", report.total.short), ("both", report.total.both)):
        print(_line(name, side), file=out)
    if len(report.coins) > 1:
        print("by coin", file=out)
        _print_most([_line(f"  {each.coin}", each.sides.both) for each in report.coins], out)
    print("by feed", file=out)
    _print_most([_line(f"  {feed.venue} {feed.symbol}", feed.sides.both) + _how(feed) for feed in report.feeds], out)
    _print_scores(report, out)


def _print_tape(report: "TotalsReport", out: TextIO) -> None:
    from perpscope.reports.numerals import moment, points, price, usd

    for row in report.last:
        mark = "▼ long " if row.side == "long" else "▲ short"
        head = f"{moment(row.time_ms, '%d %b %H:%M:%S')}  {mark} {row.venue:<12}{row.symbol[:16]:<16}"
        print(f"{head}{price(row.price):>12}{usd(row.usd):>9}{points(row.lpi):>6}", file=out)


def _line(name: str, amount: "Amount") -> str:
    """A name and an amount with its interval and coverage; a flag for what was scaled or saturated."""
    from perpscope.reports.numerals import share, usd

    band = "—"
    if amount.estimated_usd is not None:
        band = f"{usd(amount.low_usd)} – {'?' if amount.high_usd is None else usd(amount.high_usd)}"
    flags = ("×" if amount.is_scaled else "") + ("!" if amount.is_saturated else "")
    return (
        f"{name[:23]:<23}{usd(amount.observed_usd):>11}{usd(amount.estimated_usd):>12}{band:>21}"
        f"{share(amount.covered):>10}{flags:>3}"
    ).rstrip()


def _how(feed: "FeedTotals") -> str:
    """What a feed publishes, and how that is known."""
    if feed.completeness.value == "complete":
        return "\n      complete: the observed is all"
    if not feed.how.is_estimated:
        why = feed.told_by if feed.told_by in _WHY_FLOOR else feed.how.calibration or feed.completeness.value
        return f"\n      a floor: {_WHY_FLOOR.get(why, why)}"
    ratio = "" if feed.how.ratio is None else f" · ×{feed.how.ratio.factor:.2g} of the complete feed"
    rule = "the lower of both rules" if feed.told_by == "undecided" else feed.how.sampling.value
    return f"\n      {rule} ({feed.told_by}) · calibration {feed.how.calibration}{ratio}"


def _print_most(lines: list[str], out: TextIO) -> None:
    for line in lines[:_MOST_LINES]:
        print(line, file=out)
    if (more := len(lines) - _MOST_LINES) > 0:
        print(f"  and {more:,} more; --json lists all", file=out)


def _print_scores(report: "TotalsReport", out: TextIO) -> None:
    """How well the estimator does where the truth is known."""
    if not report.scores:
        print("score: no complete feed to learn from; doubts are those of the method's own tests", file=out)
    for score in report.scores[:_MOST_LINES]:
        found = score.calibration
        words = (
            f"score on {score.coin}'s complete feed thinned to {found.sampling.value}"
            f"{', by side' if score.per_side else ''}: {found.minutes:,} minutes, observed alone {found.naive:+.1%}, "
            f"estimated {found.bias:+.1%}, median |bias| {score.median_bias:.1%}, busiest 1 % {found.top_bias:+.1%}: "
            f"{'accepted' if score.is_accepted else 'not accepted, so only floors are shown'}"
        )
        print(textwrap.fill(words, 80), file=out)
    print("! in some minutes more came than a feed can tell; × scaled up for time not seen", file=out)
