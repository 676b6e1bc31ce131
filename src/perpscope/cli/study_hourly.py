"""`study hourly`: the map judged on real liquidations by the hour, from three files."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import msgspec
import typer

from perpscope.cli.options import Json

if TYPE_CHECKING:
    from perpscope.analytics.hourly.gains import Gain
    from perpscope.app.study.hourly import HourlyAnswer

Candles = Annotated[Path, typer.Option("--candles", help="Candles of 1 minute to 1 hour: CSV, gzip, Parquet, Feather.")]
Interest = Annotated[Path, typer.Option("--open-interest", help="Open interest every five minutes.")]
Forced = Annotated[Path, typer.Option("--liquidations", help="Dollars liquidated by the hour, longs and shorts.")]
_WIDE = 26  #: of a name


def hourly(
    candles: Candles,
    open_interest: Interest,
    liquidations: Forced,
    split: Annotated[
        str | None, typer.Option("--split", help="Date (UTC) from which it is judged; default: the 21st day.")
    ] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Write a picture here.")] = None,
    stack: Annotated[
        bool, typer.Option("--stack", help="Judge also the blend of all models that `map` publishes; slow.")
    ] = False,
    json: Json = False,
) -> None:
    """Judge the map by real liquidations of each hour."""
    from perpscope.app.study.hourly import Files, study_hourly

    found = study_hourly(Files(candles, open_interest, liquidations), split, stack=stack)
    if png is not None:
        _draw(png, found)
    if json:
        print(msgspec.json.encode(found).decode())
    else:
        print_hourly(found, sys.stdout)


def print_hourly(found: "HourlyAnswer", out: TextIO) -> None:
    """Print every figure with its interval, in 82 columns; the points of the verdict take more."""
    from perpscope.reports.numerals import moment

    first, last = (moment(ms, "%Y-%m-%d %H:%M") for ms in (found.from_ms, found.to_ms))
    print(f"{first} to {last} UTC · {found.hours:,} hours, judged from {found.split}", file=out)
    source = f" · candles of {found.candles}" if found.candles else ""
    print(f"{found.side_hours:,} side-hours{source} · intervals: 95 %, days drawn", file=out)
    print("question: on a known path, how much is liquidated; nothing about where it goes\n", file=out)
    _print_gain("over B1n, ln(1+USD/100k)", found.primary, out)
    _print_gain("over B1n, ln(1+USD)", found.secondary, out)
    if found.stack is not None:
        print(f"{'  as `map` blends it':<{_WIDE}}{_triple(found.stack)}", file=out)
    print(f"{'over B1, ln(1+USD)':<{_WIDE}}{_triple(found.over_b1)}", file=out)
    boosted = found.over_boosting
    told = found.over_boosting_is if boosted is None else f"{boosted.delta_r2:+.4f}  low {boosted.low:+.4f}"
    print(f"{'over boosting on B1n':<{_WIDE}}{told}", file=out)
    for name, placebo in found.placebos.items():
        print(f"{f'placebo: {name}':<{_WIDE}}{_triple(placebo)}", file=out)
    for name, key in (("open interest adds", "oi"), ("levels beyond 1 % add", "far")):
        print(f"{name:<{_WIDE}}{_triple(found.added[key])}", file=out)
    _print_alone(found, out)
    _print_scale(found, out)
    _print_points(found, out)


def _print_gain(name: str, gain: "Gain", out: TextIO) -> None:
    print(f"{name:<{_WIDE}}{_triple(gain)}  R² {gain.r2[0]:.3f} → {gain.r2[1]:.3f}", file=out)
    bits = f"{gain.bits_per_hour:+.4f} [{gain.bits_low:+.4f}, {gain.bits_high:+.4f}]"
    print(f"{'  bits an hour':<{_WIDE}}{bits}", file=out)
    for side, one in gain.by_side.items():
        print(f"{f'  {side}':<{_WIDE}}{_triple(one)}", file=out)
    months = "  ".join(f"{month} {delta:+.4f}" for month, delta in gain.by_month.items())
    print(f"  {months}", file=out)


def _triple(one: "object") -> str:
    delta, low, high = (getattr(one, name) for name in ("delta_r2", "low", "high"))
    return f"{delta:+.4f} [{low:+.4f}, {high:+.4f}]"


def _print_alone(found: "HourlyAnswer", out: TextIO) -> None:
    print(f"\n{'alone, ln(1+USD)':<32}{'R²':>6}   {'− R² of B1':<28}ρ long short", file=out)
    for rule in found.beside:
        ranks = f"{rule.spearman[0]:.3f} {rule.spearman[1]:.3f}"
        print(f"{rule.name:<32}{rule.r2:>6.3f}   {_triple(rule.over_b1):<28}{ranks}", file=out)
    ranks = " ".join(f"{rank.b1:.3f}" for rank in found.spearman.values())
    print(f"{'B1, fitted':<32}{'':>6}   {'':<28}{ranks}", file=out)


def _print_scale(found: "HourlyAnswer", out: TextIO) -> None:
    scale = found.scale
    print(f"\nforetold ÷ realised dollars: long {scale.long:.2f}, short {scale.short:.2f}; ", end="", file=out)
    print(f"daily sd of ln {scale.daily_sd_ln:.2f}", file=out)
    print(f"80 % interval held {scale.coverage80:.0%}; ", end="", file=out)
    print(f"realised ÷ foretold: lower half of hours {scale.lower_half:.2f},", file=out)
    tail = f"{scale.top1pct_with_tail:.2f} with the factor of earlier ones (not in it)"
    print(f"  largest hundredth {scale.top1pct:.2f}; {tail}", file=out)
    print(f"{len(found.classes)} classes by distance and one out of reach; ", end="", file=out)
    print(f"a bar's balance within {found.residue:.0e}", file=out)
    hours = ", ".join(f"{probe.hours:,}" for probe in found.causality)
    print(f"later rows replaced: no number of the first {hours} hours moved", file=out)


def _print_points(found: "HourlyAnswer", out: TextIO) -> None:
    print(file=out)
    for check in found.checks:
        print(f"{'met ' if check.is_met else 'MISSED'} ({check.point}) {check.asks}: {check.found}", file=out)
    word = "pass" if found.passes else "FAIL: the map does not hold what it promises on these hours"
    print(f"{word} · ambition over boosting {'met' if found.ambition_met else 'not met'}", file=out)
    if not found.wording.open_interest_driven:
        print("open interest adds too little: the map may not be called driven by it", file=out)
    print(f"levels more than 1 % away: {found.wording.beyond_1_pct}", file=out)


def _draw(path: Path, found: "HourlyAnswer") -> None:
    from perpscope.app.analyze import writing_to
    from perpscope.reports.hourly_chart import Line, hourly_picture
    from perpscope.reports.liqmap_charts import Words

    gain = found.primary
    lines = [Line("over B1n", gain.delta_r2, gain.low, gain.high)]
    lines += [Line(f"  {side}", one.delta_r2, one.low, one.high) for side, one in gain.by_side.items()]
    lines += [Line(f"  {month}", delta) for month, delta in gain.by_month.items()]
    lines += [Line(f"placebo: {name}", one.delta_r2, one.low, one.high) for name, one in found.placebos.items()]
    for name, key in (("open interest", "oi"), ("beyond 1 %", "far")):
        one = found.added[key]
        lines.append(Line(name, one.delta_r2, one.low, one.high))
    words = Words(
        "The map on real hours",
        f"{found.hours:,} hours, judged from {found.split} · target ln(1 + USD / 100k)",
        "YOUR FILES" if found.passes else "YOUR FILES · NOT PASSED",
        "On a known path: how much is liquidated, not where the price goes. Levels beyond 1 % are not validated.",
    )
    with writing_to(path):
        path.write_bytes(hourly_picture(lines, found.daily, words))
    print(f"wrote {path}", file=sys.stderr)
