"""`symbols`: what the venues list, what a name means on each, the default set, margin tiers."""

import asyncio
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import msgspec
import typer

from perpscope.cli.options import Config, Json, settings
from perpscope.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from perpscope.app.default_set import DefaultSet
    from perpscope.app.lookup import Found, Margin, Row

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Coins, symbols or ids; default: all that trade.")
]
Venue = Annotated[list[str] | None, typer.Option("--venue", help="Only this venue; may be repeated.")]
_LEFT = frozenset({"venue", "symbol", "id", "unit", "state", "coin", "traded on", "coin price is"})
_WIDTH = 80
_PLAIN = (Decimal("0.00001"), Decimal(1_000_000))  #: numbers in between are written out


def symbols(
    names: Names = None,
    venue: Venue = None,
    every: Annotated[bool, typer.Option("--all", help="Dated, halted and non-crypto contracts too.")] = False,
    default: Annotated[bool, typer.Option("--default", help="The coins listened to when none are named.")] = False,
    tiers: Annotated[str | None, typer.Option("--tiers", help="Margin tiers of this coin, symbol or id.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """What the venues list, asked live."""
    from perpscope.app.lookup import Question, look_up

    loaded = settings(config=config, venues=",".join(venue) if venue else None)
    wanted = (*(names or ()), *((tiers,) if tiers else ()))
    if default and wanted:
        raise ConfigError("option-value", "--default and a name are two questions", hint="ask one after the other")
    question = Question(names=wanted, every=every, default=default, margin=tiers is not None)
    found = asyncio.run(look_up(loaded.settings, question))
    for name, why in found.unreachable.items():
        print(f"{name} did not answer: {why}", file=sys.stderr)
    if json:
        print_json(found)
    else:
        for note in found.notes:
            print(f"note: {note}", file=sys.stderr)
        print_found(found, is_answer=bool(wanted), out=sys.stdout)


def print_json(found: "Found") -> None:
    """Print what was found as one JSON object on one line."""
    print(msgspec.json.Encoder(decimal_format="number").encode(found).decode())


def print_found(found: "Found", *, is_answer: bool, out: TextIO) -> None:
    """Print what was found as tables in 80 columns; an answer to a name says its ids too."""
    from rich.console import Console

    terminal = Console(file=out, highlight=False)
    page = terminal if terminal.is_terminal else Console(file=out, highlight=False, width=_WIDTH)
    if found.default is not None:
        page.print(_default_table(found.default))
    elif is_answer:
        page.print(_meaning_table(found.symbols))
    if found.margin is not None:
        for margin in found.margin:
            page.print(f"\n{_margin_title(margin)}", _margin_table(margin), sep="\n")
    elif found.default is None:
        page.print(_listing_table(found.symbols))


def _table(*columns: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0), collapse_padding=True)
    for column in columns:
        justify: Literal["left", "right"] = "left" if column in _LEFT else "right"
        table.add_column(column, justify=justify, no_wrap=column in {"venue", "symbol", "unit", "id"}, overflow="fold")
    return table


def _listing_table(rows: "list[Row]") -> "Table":
    from perpscope.reports.numerals import usd

    table = _table("venue", "symbol", "unit", "1 ct =", "tick", "step", "fund h", "max ×", "24 h", "state")
    for row in rows:
        unit = row.coin if row.multiplier == 1 else f"{_number(Decimal(row.multiplier))} {row.coin}"
        turnover = "—" if row.turnover_usd_24h is None else usd(row.turnover_usd_24h)
        numbers = (row.contract_size, row.tick_size, row.step_size, row.funding_interval_h, row.max_leverage)
        table.add_row(row.venue, row.symbol, unit, *map(_number, numbers), turnover, _state(row))
    return table


def _meaning_table(rows: "list[Row]") -> "Table":
    table = _table("venue", "id", "min order", "coin price is")
    for row in rows:
        least = "—" if row.min_notional is None else f"{_number(row.min_notional)} {row.quote}"
        coin_price = "its price" if row.multiplier == 1 else f"its price ÷ {row.multiplier}"
        table.add_row(row.venue, row.id, least, coin_price)
    return table


def _default_table(chosen: "DefaultSet") -> "Table":
    from perpscope.reports.numerals import usd

    table = _table("", "coin", "24 h", "traded on")
    for place, entry in enumerate(chosen.coins, start=1):
        turnover = "—" if entry.turnover_usd_24h is None else usd(entry.turnover_usd_24h)
        table.add_row(str(place), entry.coin, turnover, ", ".join(entry.venues))
    return table


def _margin_title(margin: "Margin") -> str:
    table = margin.table
    dated = f", as of {table.as_of}" if table.as_of else ""
    return f"{margin.id}  {table.quality.value.upper()}: {table.source}{dated}"


def _margin_table(margin: "Margin") -> "Table":
    unit = margin.table.tiers[0].basis.value if margin.table.tiers else ""
    table = _table(f"from ({unit})", "to", "maintenance", "max ×", "deduction")
    for tier in margin.table.tiers:
        cap = "—" if tier.cap is None else f"{tier.cap:,.10g}"
        mmr = f"{tier.mmr * 100:.6g} %"
        table.add_row(f"{tier.floor:,.10g}", cap, mmr, f"{tier.max_leverage:g}", f"{tier.deduction:,.10g}")
    return table


def _state(row: "Row") -> str:
    words = (("halted", not row.is_trading), ("TradFi", not row.is_crypto), (row.expiry or "", bool(row.expiry)))
    return ", ".join(word for word, applies in words if applies)


def _number(value: Decimal | float | None) -> str:
    """A number in few characters: without idle zeros, with an exponent where it is very small or large.

    >>> [_number(Decimal(text)) for text in ("0.10", "1E+3", "0.00000010", "10000000")]
    ['0.1', '1000', '1e-7', '1e7']
    >>> _number(8.0), _number(None)
    ('8', '—')
    """
    if value is None:
        return "—"
    exact = Decimal(value).normalize()
    if exact and not _PLAIN[0] <= exact < _PLAIN[1]:
        return f"{exact:e}".replace("e+", "e")
    return f"{exact:f}"
