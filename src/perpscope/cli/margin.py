"""`margin`: at which price a position is liquidated, by a venue's own rules and a dated table of tiers."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import msgspec
import typer
from msgspec.structs import replace

from perpscope.cli.options import Config, Db, Json, settings
from perpscope.errors import ConfigError

if TYPE_CHECKING:
    from perpscope.app.margin import Answer


class Side(StrEnum):
    """Whose position it is."""

    LONG = "long"
    SHORT = "short"


class Formula(StrEnum):
    """How the price is reckoned."""

    EXACT = "exact"
    ENTRY = "entry"
    SEED = "seed"


Leverage = Annotated[float | None, typer.Option("--leverage", help="Isolated margin = value ÷ leverage.")]
Margin = Annotated[float | None, typer.Option("--margin", help="Isolated margin, with what was added.")]
Wallet = Annotated[float | None, typer.Option("--wallet", help="Cross wallet balance, without profit.")]
Other = Annotated[
    list[str] | None,
    typer.Option("--other", metavar="S:SIDE:SIZE:ENTRY:MARK", help="Another cross position, or PROFIT:MAINTENANCE."),
]
Table = Annotated[str | None, typer.Option("--table", metavar="DATE|FILE", help="Margin tiers: file, date or month.")]
Mark = Annotated[float | None, typer.Option("--mark", help="Mark price now; the entry if not given.")]
Fee = Annotated[float | None, typer.Option("--fee", help="Closing fee in the trigger, a fraction.")]


def margin(
    venue: Annotated[str, typer.Option("--venue", help="Whose rules.")],
    symbol: Annotated[str, typer.Option("--symbol", help="The venue's symbol, a coin or an id.")],
    side: Annotated[Side, typer.Option("--side", help="long or short.")],
    entry: Annotated[float, typer.Option("--entry", help="Average entry price.")],
    size: Annotated[float, typer.Option("--size", help="Base units; quote units of an inverse contract.")],
    leverage: Leverage = None,
    margin_: Margin = None,
    cross: Annotated[bool, typer.Option("--cross", help="The whole wallet stands behind it.")] = False,
    wallet: Wallet = None,
    other: Other = None,
    table: Table = None,
    mark: Mark = None,
    fee: Fee = None,
    inverse: Annotated[bool, typer.Option("--inverse", help="Margined in its coin, counted in quote.")] = False,
    formula: Annotated[Formula, typer.Option("--formula", help="exact, or an older one.")] = Formula.EXACT,
    funding_rate: Annotated[float, typer.Option("--funding-rate", help="Of one interval, a fraction.")] = 0.0,
    fundings: Annotated[int, typer.Option("--fundings", min=0, help="How many are paid out of the margin.")] = 0,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Liquidation and bankruptcy price of a position."""
    from perpscope.app.margin import Question, ask
    from perpscope.model.market import PositionSide

    if cross is not (wallet is not None):
        raise ConfigError("option-value", "--cross and --wallet belong together", hint="give both, or neither")
    position = Question(
        venue=venue.lower(), symbol=symbol, side=PositionSide(side.value.upper()), entry=entry, size=size
    )
    behind = replace(position, leverage=leverage, margin=margin_, wallet=wallet, others=tuple(other or ()))
    rules = replace(behind, table=table, fee=fee, inverse=inverse, formula=formula.value)
    question = replace(rules, mark=mark, funding_rate=funding_rate, fundings=fundings)
    answer = ask(question, _database(db, config))
    if json:
        print(msgspec.json.encode(answer).decode())
    else:
        print_answer(answer, sys.stdout)


def _database(db: Path | None, config: Path | None) -> Path | None:
    """The store to look into: one that is named, or the default one if there is one."""
    from perpscope.app import places

    loaded = settings(config=config, db=db)
    path, _ = places.database(loaded.settings.database.path)
    return path if loaded.settings.database.path or path.is_file() else None


def print_answer(answer: "Answer", out: TextIO) -> None:
    """Print the prices, and where they come from."""
    price, tier = answer.liquidation_price, answer.tier
    lines = [
        ("liquidation", "no price" if price is None else f"{price:,.8g}"),
        ("bankruptcy", "no price" if answer.bankruptcy_price is None else f"{answer.bankruptcy_price:,.8g}"),
        ("margin", f"{answer.balance:,.8g} {answer.mode}"),
    ]
    if tier is not None and answer.maintenance_rate is not None:
        deducted = f" - {answer.deduction:,.8g}" if answer.deduction else ""
        lines.insert(2, ("maintenance", f"{answer.maintenance_rate * 100:g} %{deducted}, tier {tier}"))
    if answer.closing_fee:
        lines.append(("closing fee", f"{answer.closing_fee * 100:g} % counted"))
    if answer.funding_paid:
        lines.append(("funding", f"{answer.funding_paid:,.8g} paid"))
    dated = f", as of {answer.table_date}" if answer.table_date else ""
    quality = answer.table_quality.value
    lines.append(("tiers", f"{quality.upper()}: {answer.table_source.removeprefix(f'{quality}: ')}{dated}"))
    lines.append(("formula", answer.formula))
    lines.append(("", f"{answer.formula_source}, {answer.formula_as_of}"))
    print(f"{answer.venue} {answer.symbol} {answer.side}", file=out)
    for name, text in lines:
        print(f"  {name:<12} {text}", file=out)
    for note in answer.notes:
        print(f"  note: {note}", file=out)
