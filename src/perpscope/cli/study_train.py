"""`study train`: does anything in the minutes before tell of the minutes after, once costs are paid?"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, settings

if TYPE_CHECKING:
    from perpscope.analytics.models.scores import Gain
    from perpscope.app.study.train import TrainAnswer

_WIDE = 12


def train(
    data: Annotated[list[Path], typer.Argument(help="Files, or folders, of one-minute candles.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", help="Folder to keep the model in.")] = None,
    cost_bps: Annotated[
        float, typer.Option("--cost-bps", min=0.0, help="Cost of a trade there and back, basis points.")
    ] = 12.0,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Train on candles, judge on later ones, and say whether there is an edge."""
    from perpscope.app import places
    from perpscope.app.study.train import Asked, study_train
    from perpscope.trading.labels import Costs

    loaded = settings(config=config, db=db)
    path, _ = places.database(loaded.settings.database.path)
    places.make_own_folder(path)
    costs = Costs(taker=0.0, spread=cost_bps / 1e4, slippage=0.0)
    found = study_train(
        Asked(paths=data, store=path, out=out, costs=costs), lambda line: print(line, file=sys.stderr, flush=True)
    )
    if json:
        print(msgspec.json.encode(found).decode())
    else:
        print_training(found, sys.stdout)


def print_training(found: "TrainAnswer", out: TextIO) -> None:
    """Print every candidate with its intervals, what acting on it came to, and the verdict."""
    from perpscope.reports.numerals import moment

    first, last = (moment(ms, "%Y-%m-%d %H:%M") for ms in (found.from_ms, found.to_ms))
    print(f"{first} to {last} UTC · {', '.join(found.markets)} · {found.rows:,} minutes", file=out)
    shares = ", ".join(f"{name} {share:.1%}" for name, share in found.shares.items())
    print(f"net gain within {found.horizon_min} min after {found.cost_bps:g} bp: {shares}", file=out)
    print(f"features ({len(found.features)}): {', '.join(found.features)}\n", file=out)
    print(f"{'judged later':<{_WIDE}}  {'log loss':<26}{'Brier':<26}ece    AUC up/down", file=out)
    for one in found.candidates:
        areas = "/".join("–" if side.auc is None else f"{side.auc:.3f}" for side in one.sides.values())
        ece = max(side.ece for side in one.sides.values())
        print(
            f"{one.model:<{_WIDE}}  {_gain(one.log_loss_skill):<26}{_gain(one.brier_skill):<26}{ece:.3f}  {areas}",
            file=out,
        )
    print(file=out)
    for rule in found.rules:
        each = "never acts" if rule.each_bps is None else f"{rule.trades:,} trades, {rule.each_bps:+.1f} bp each"
        print(f"{rule.model:<{_WIDE}}  acted on: {each}", file=out)
    print(f"\nplacebo, outcomes dealt anew: AUC {_areas(found)}", file=out)
    print(f"later minutes replaced: no feature of {found.compared_minutes:,} moved", file=out)
    for check in found.checks:
        print(f"{'met ' if check.is_met else 'MISSED'} {check.asks}: {check.found}", file=out)
    print(f"\n{found.verdict}", file=out)
    if found.model is not None:
        print(f"kept as {found.model} in {found.folder}", file=out)
    for note in found.notes:
        print(note, file=sys.stderr)


def _gain(one: "Gain") -> str:
    return f"{one.value:+.2%} [{one.low:+.2%}, {one.high:+.2%}]"


def _areas(found: "TrainAnswer") -> str:
    return ", ".join(f"{name} {area:.3f}" for name, area in found.placebo_auc.items())
