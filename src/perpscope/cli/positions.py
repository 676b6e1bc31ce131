"""`positions`: what each run of paper and live holds, what protects it, and what it did today."""

import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, database, settings

if TYPE_CHECKING:
    from perpscope.app.trade.positions import Positions, RunHolds
    from perpscope.model.trade_status import TradeStatus, WorkingNow

_MOST_FILLS = 10


def positions(
    all_: Annotated[bool, typer.Option("--all", help="Runs that are over and hold nothing, too.")] = False,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """What paper and live runs hold, their stops, orders and fills of today."""
    from perpscope.app.trade.positions import read_positions
    from perpscope.feeds.clock import wall_ns

    loaded = settings(config=config, db=db)
    found = read_positions(database(loaded), loaded.settings.trade, wall_ns() // 1_000_000, is_all=all_)
    if json:
        print(msgspec.json.encode(found).decode())
        return
    _print(found)


def _print(found: "Positions") -> None:
    print(f"mode {found.mode.mode}: {_mode(found)}")
    if found.mode.halted:
        _red(f"HALTED: {found.mode.halted}; perpscope risk reset lifts it")
    for run in found.runs:
        _print_run(run)
    if not found.runs and found.faults:
        print("what is held is not known: a journal cannot be read")
    elif not found.runs:
        print("nothing is held and nobody trades; perpscope paper STRATEGY begins, --all shows runs that are over")
    for words in found.faults:
        print(f"! {words}", file=sys.stderr)


def _mode(found: "Positions") -> str:
    """How far decisions may go, for real money; a lab asks nobody."""
    match found.mode.mode:
        case "observe":
            return "nothing is ordered"
        case "paper":
            return "no order goes to a real exchange"
    armed = found.mode.armed
    if armed is None:
        return "nothing is armed: no order goes to a real exchange"
    return f"armed for {armed.strategy} on {armed.instrument} until {_moment(armed.until_ms, '%Y-%m-%d %H:%M UTC')}"


def _print_run(run: "RunHolds") -> None:
    from perpscope.app.answers.trade import label_words, money_words

    told = run.now.status
    state = "running" if run.now.is_running else "over" if told.is_over else f"silent for {run.now.age_ms / 1e3:,.0f} s"
    name = f"{told.run} {told.strategy} on {told.instrument}"
    print(f"{label_words(told.kind, told.data)} {name}, {state}: {money_words(run.now.label)}")
    if told.mode == "observe" and not told.is_over:
        _red("  mode observe: nothing new is ordered; stops that stand stay")
    print(f"  {_held(told)}")
    if told.halted:
        _red(f"  HALTED: {told.halted}")
    if told.naked_seconds_now > 0.0:
        _red(f"  NAKED for {told.naked_seconds_now:.1f} s: no stop is confirmed")
    if told.contact is not None and told.contact.is_mismatched:
        _red(f"  MISMATCH: {told.contact.why or 'the exchange holds something else'}")
    money = told.money
    print(
        f"  equity {money.equity:,.2f} of {money.deposit:,.2f}: realised {money.realised:+,.2f}, "
        f"fees {money.fees:,.2f}, funding {money.funding:+,.2f}"
    )
    for order in told.working:
        print(f"  order {_working(order)}")
    for fill in run.fills_today[:_MOST_FILLS]:
        paid = "" if fill.paid_in is None else f" (paid {fill.paid_in})"
        print(f"  fill  {_moment(fill.at_ms)} {fill.side} {fill.size} at {fill.price}, fee {fill.fee}{paid}")
    more = len(run.fills_today) - _MOST_FILLS
    if more > 0:
        print(f"  and {more} fills more today")
    for words in told.warnings:
        _red(f"  ! {words}")


def _held(told: "TradeStatus") -> str:
    held = told.held
    if held.side is None:
        return "flat"
    entry = "" if held.entry_price is None else f" from {held.entry_price:g}"
    mark = "" if held.mark is None else f", mark {held.mark:g}"
    stop = "NO STOP confirmed" if held.stop is None else f"stop {held.stop:g}"
    end = "" if held.liquidation_price is None else f", liquidated at {held.liquidation_price:g}"
    return f"{held.side} {held.size:g}{entry}{mark}, {held.unrealised:+,.2f}; {stop}{end}"


def _working(order: "WorkingNow") -> str:
    price = "" if order.price is None else f" at {order.price}"
    size = order.size or "all"
    if order.wished is not None:
        size += f" of {order.wished} ({order.bound})"
    return f"{order.id} {order.role} {order.kind} {order.side} {size}{price}: {order.state}"


def _moment(at_ms: int, form: str = "%H:%M:%S") -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_ms / 1e3, UTC).strftime(form)


def _red(words: str) -> None:
    typer.secho(words, fg=typer.colors.RED)
