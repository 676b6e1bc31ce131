"""`study map-score`: is the liquidation map better than distance alone, on the lab's truth or on a store's feeds?"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, settings

if TYPE_CHECKING:
    from perpscope.analytics.scorecard.card import HorizonCard
    from perpscope.app.study.map_score import MapScore


def map_score(
    source: Annotated[str, typer.Option("--source", help="lab, or store.")] = "lab",
    full: Annotated[
        bool, typer.Option("--full", help="Sixteen of the lab's markets for a week each, in finer steps.")
    ] = False,
    symbols: Annotated[str, typer.Option("--symbols", help="Of a store: coins, symbols or ids.")] = "BTC",
    png: Annotated[Path | None, typer.Option("--png", help="File for the picture.")] = None,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Score the liquidation map against distance alone, and other rules."""
    from perpscope.app import places
    from perpscope.app.study import map_kept as study_map_kept
    from perpscope.app.study import map_score as study_map
    from perpscope.feeds.clock import wall_ns

    study_map.check_source(source)
    loaded = settings(config=config, db=db)
    if source == "lab":
        found = study_map.score_lab(study_map.lab_runs(full=full), wall_ns(), is_full=full, said=_say)
    else:
        path, why = places.database(loaded.settings.database.path, loaded.origins.get("database.path", "configuration"))
        _say(f"database {path} ({why})")
        names = [name.strip() for name in symbols.split(",") if name.strip()]
        found = study_map.score_stored(path, names, wall_ns())
    _say(f"kept in {study_map_kept.keep(found, source, found.made_ms)}")
    if png is not None:
        from perpscope.app.analyze import writing_to

        with writing_to(png):
            png.write_bytes(_picture(found))
        _say(f"wrote {png}")
    if json:
        print(msgspec.json.encode(found).decode())
    else:
        print_score(found, out=sys.stdout)


def print_score(found: "MapScore", *, out: TextIO) -> None:
    """Print the card."""
    from perpscope.reports.numerals import window

    data = found.data
    print(found.verdict, file=out)
    lab = "" if data.lab is None else f" · lab of {data.lab.agents:,} people, parameters {data.lab.parameters[:12]}"
    span = window(data.from_ms, data.to_ms)
    print(f"{', '.join(data.markets)} · {span} · bars of {data.bar_minutes} min{lab}", file=out)
    for reason in data.left_out:
        print(f"left out: {reason}", file=out)
    for card in found.horizons:
        _print_horizon(card, out)


def _print_horizon(card: "HorizonCard", out: TextIO) -> None:
    from perpscope.reports.numerals import usd

    print(f"\n{card.minutes} min ahead: {card.windows:,} windows of {card.days:,} days scored", file=out)
    for reason, count in card.left_out.items():
        print(f"  {count:,} not: {reason}", file=out)
    oracle = "" if card.oracle_share is None else f", {card.oracle_share:.0%} of what the true prices gain"
    print(f"  gain  {card.bits:+.3f} bit [{card.bits_low:+.3f}, {card.bits_high:+.3f}]{oracle}", file=out)
    print(f"  lift  {card.lift:.2f} [{card.lift_low:.2f}, {card.lift_high:.2f}] in the best fifth of levels", file=out)
    null = card.null_lift
    print(f"  null  lift {null.value:.2f} [{null.low:.2f}, {null.high:.2f}]: another day's map, shuffled", file=out)
    told = card.chances
    skill = told.brier_skill
    print(
        f"  P(≥ {usd(told.threshold_usd)} | reached)  ECE {told.ece:.3f}, Brier skill over distance "
        f"{skill.value:+.3f} [{skill.low:+.3f}, {skill.high:+.3f}], {told.cells:,} levels",
        file=out,
    )
    print(f"  {'':<20}{'alone':>8}{'lift':>7}{'blended':>9}   the map is ahead by", file=out)
    for name, one in sorted(card.others.items(), key=lambda item: -item[1].bits.value):
        behind, words = one.behind_bits, name.replace("_", " ")
        figures = f"{one.bits.value:>+8.3f}{one.lift.value:>7.2f}{one.blended_bits.value:>+9.3f}"
        print(f"  {words:<20}{figures}   {behind.value:+.3f} [{behind.low:+.3f}, {behind.high:+.3f}]", file=out)


def _picture(found: "MapScore") -> bytes:
    from perpscope.reports.scorecard_chart import Curve, Gain, Words, score_picture

    cards = found.horizons
    last = cards[-1]
    names = sorted(last.others, key=lambda name: -last.others[name].bits.value)
    gains = [Gain("the map", tuple((card.bits, card.bits_low, card.bits_high) for card in cards))]
    for name in names:
        told = [card.others[name].bits for card in cards]
        gains.append(Gain(name.replace("_", " "), tuple((one.value, one.low, one.high) for one in told)))
    curves = [
        Curve(
            f"{card.minutes} min ahead",
            tuple((one.said, one.seen, one.low, one.high) for one in card.chances.reliability),
        )
        for card in cards
    ]
    note = "Right: P(at least the usual dollars closed by force in a level | the price reaches it), in ten groups."
    return score_picture(gains, curves, Words("Scorecard of the liquidation map", found.verdict, note))


def _say(words: str) -> None:
    print(words, file=sys.stderr)
