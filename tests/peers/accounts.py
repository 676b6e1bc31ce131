"""Holds what another project's client sees of an account against what a run of ours says of it, field by field.

Ours is its journal, its questions to the exchange in its own dialect, and its page. The client's program tells in the
words used here: amounts are decimals, states are open, filled, cancelled and expired.
"""

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perpscope.execution.inquiry import Inquiry
from perpscope.lab.accounts.desk import LAB_KEY, LAB_SECRET
from perpscope.lab.running import Lab
from perpscope.model.exchange import FundingReport, OrderReport, PositionReport, Terms, TradeReport
from perpscope.model.instrument import Instrument
from perpscope.model.order import OrderKind
from perpscope.ports.broker import Caller
from perpscope.stores.journal_reader import JournalReader
from perpscope.stores.journal_rows import JournalFill, JournalOrder
from perpscope.venues.binance.broker import BROKER
from tests.peers.meeting import ROOT, environment, interpreter

PEERS = ("ccxt", "binance-sdk")
Seen = dict[str, Any]
_Row = dict[str, object]

_KINDS = {
    OrderKind.MARKET: "MARKET",
    OrderKind.LIMIT: "LIMIT",
    OrderKind.STOP: "STOP_MARKET",
    OrderKind.TAKE: "TAKE_PROFIT_MARKET",
}
_CONDITIONS = (OrderKind.STOP, OrderKind.TAKE)
_ENDS = {"": "filled", "cancelled": "cancelled", "expired": "expired"}
_AMOUNTS = ("size", "entry", "liquidation", "margin", "leverage", "price", "trigger", "filled", "fee")
_AVERAGED = 4  # digits after the point in which averages are compared: each rounds them in its own place
_HOUR_MS = 3_600_000
_DEADLINE_S = 90.0
_MOST_BYTES = 4_000_000  # of one line


class Ours(msgspec.Struct, frozen=True, kw_only=True):
    """What we say."""

    run: str
    orders: list[JournalOrder]
    fills: list[JournalFill]
    fundings: list[FundingReport]
    held: PositionReport
    listed: list[OrderReport]
    traded: list[TradeReport]
    wallet: Decimal
    terms: Terms


async def ours(journal: Path, run: str, instrument: Instrument, caller: Caller, ts_from: int) -> Ours:
    """Read the journal, and ask the exchange as a run does."""
    asking = Inquiry(BROKER, instrument, caller)
    with JournalReader(journal) as reader:
        orders, fills, fundings = reader.orders(run), reader.fills(run), reader.fundings(run)
    return Ours(
        run=run,
        orders=orders,
        fills=fills,
        fundings=fundings,
        held=await asking.holdings(),
        listed=await asking.orders(),
        traded=await asking.trades(None, ts_from),
        wallet=await asking.wallet(),
        terms=BROKER.agreed([await caller(one) for one in BROKER.terms(instrument)], instrument),
    )


class Witnesses:
    """Clients that look at an account with the same key whenever they are asked to.

    Args:
        processes: by peer.
    """

    def __init__(self, processes: Mapping[str, Process]) -> None:
        self._processes = processes

    async def see(self, *peers: str) -> dict[str, Seen]:
        """What these clients see now, at one time; all of them where none is named."""
        asked = {peer: self._processes[peer] for peer in peers or self._processes}
        async with asyncio.timeout(_DEADLINE_S):
            found = await asyncio.gather(*(_seen(process) for process in asked.values()))
        return dict(zip(asked, found, strict=True))


async def _seen(process: Process) -> Seen:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    line = await process.stdout.readline()
    if not line:
        _, errors = await process.communicate()
        pytest.fail(errors.decode()[-4000:])
    found: Seen = json.loads(line)
    return found


@asynccontextmanager
async def witnesses(lab: Lab) -> AsyncIterator[Witnesses]:
    """Each peer's program in an environment of its own; skips where there is none."""
    pythons = {peer: interpreter(peer) for peer in PEERS}
    ask = {"rest": lab.rest_url, "websocket": lab.websocket_url, "venue": "binance", "bases": ["BTC"]}
    words = json.dumps(ask | {"key": LAB_KEY, "secret": LAB_SECRET})
    processes: dict[str, Process] = {}
    try:
        for peer, python in pythons.items():
            program = ROOT / "tests" / "peers" / f"{peer.replace('-', '_')}_account.py"
            processes[peer] = await asyncio.create_subprocess_exec(
                *(str(python), str(program), words),
                env=environment(),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                limit=_MOST_BYTES,
            )
        yield Witnesses(processes)
    finally:
        for process in processes.values():
            if process.returncode is None:
                process.kill()
        await asyncio.gather(*(process.communicate() for process in processes.values()))


def differences(seen: Seen, own: Ours) -> list[str]:
    """Every field in which the two do not say the same; a row that only one of them has is one."""
    words: list[str] = []

    def compare(what: str, theirs: object, mine: object) -> None:
        if theirs != mine:
            words.append(f"{what}: they say {theirs}, we say {mine}")

    def rows(what: str, theirs: Iterable[_Row], mine: Iterable[_Row], by: str) -> None:
        there, here = ({str(row[by]): row for row in side} for side in (theirs, mine))
        compare(f"{what}, which", sorted(there), sorted(here))
        for name in sorted(there.keys() & here.keys()):
            for field in here[name]:
                compare(f"{what} {name}, {field}", there[name].get(field), here[name][field])

    compare("position", _exact(seen["position"]), _position(own))
    working = [one for one in own.orders if one.state != "over"]
    plain = [one for one in own.orders if one.request.kind not in _CONDITIONS and one.venue_id]
    waiting = [one for one in own.orders if one.request.kind in _CONDITIONS and one.venue_id]
    filled = _filled(own.fills)
    rows("open order", map(_exact, seen["orders"]), [_order(one, filled) for one in plain if one in working], "id")
    rows(
        "open condition", map(_exact, seen["conditions"]), [_condition(one) for one in waiting if one in working], "id"
    )
    rows("past condition", map(_exact, seen["past_conditions"]), map(_condition, waiting), "id")
    mine = [*(_order(one, filled) for one in plain), *_triggered(waiting, filled)]
    rows("past order", map(_exact, seen["past"]), mine, "number")
    rows("fill", map(_exact, seen["fills"]), (_fill(one.trade) for one in own.fills), "number")
    rows("fill we were told when asking", map(_exact, seen["fills"]), map(_fill, own.traded), "number")
    asked = sorted(one.id for one in own.listed)
    compare("open by our own question", sorted(row["id"] for row in (*seen["orders"], *seen["conditions"])), asked)
    compare("wallet", Decimal(str(seen["wallet"]["USDT"])), own.wallet)
    _compare_money(seen, own, compare)
    return words


def _compare_money(seen: Seen, own: Ours, compare: Any) -> None:  # noqa: ANN401 (the closure above)
    """Sums of the income history against the journal; fundings one by one, by their hour."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for kind, asset, amount in seen["incomes"]:
        assert asset == "USDT", asset
        sums[kind] += Decimal(str(amount))
    compare("fees paid", -sums["COMMISSION"], sum((one.trade.fee for one in own.fills), Decimal()))
    compare("realised", sums["REALIZED_PNL"], sum((one.trade.realised for one in own.fills), Decimal()))
    theirs = sorted((ms // _HOUR_MS, -Decimal(str(amount))) for ms, amount in seen["fundings"])
    mine = sorted((one.ts_event // 1_000_000 // _HOUR_MS, one.paid) for one in own.fundings)
    compare("fundings", theirs, mine)


def _exact(row: Mapping[str, Any] | None) -> _Row:
    """Amounts as decimals, whether a client tells numbers or strings; no average is None."""
    if row is None:
        return {}
    found: _Row = dict(row)
    for name in _AMOUNTS:
        if name in found:
            value = row[name]
            found[name] = None if value is None else Decimal(str(value))
    if "average" in found:
        average = Decimal(str(row["average"] or 0))
        found["average"] = round(average, _AVERAGED) if average else None
    return found


def _position(own: Ours) -> _Row:
    held, terms = own.held, own.terms
    if not held.size:
        return {}
    return {
        "side": "LONG" if held.size > 0 else "SHORT",
        "size": abs(held.size),
        "entry": held.entry_price,
        "liquidation": held.liquidation_price,
        "margin": held.margin,
        "leverage": Decimal(terms.leverage),
        "margin_mode": "isolated" if terms.is_isolated else "cross",
    }


def _filled(fills: Iterable[JournalFill]) -> dict[str, list[JournalFill]]:
    """By the venue's number of the order."""
    found: defaultdict[str, list[JournalFill]] = defaultdict(list)
    for one in fills:
        found[one.trade.venue_id].append(one)
    return found


def _size_and_average(fills: Iterable[JournalFill]) -> tuple[Decimal, Decimal | None]:
    size = sum((one.trade.size for one in fills), Decimal())
    quote = sum((one.trade.size * one.trade.price for one in fills), Decimal())
    return size, round(quote / size, _AVERAGED) if size else None


def _order(one: JournalOrder, filled: Mapping[str, list[JournalFill]]) -> _Row:
    request, fills = one.request, filled.get(one.venue_id, [])
    assert all(fill.order == request.id for fill in fills)
    size, average = _size_and_average(fills)
    return {
        "id": request.id,
        "number": one.venue_id,
        "side": request.side.value,
        "kind": _KINDS[request.kind],
        "size": request.size,
        "price": request.price,
        "reduces": request.is_reducing,
        "state": "open" if one.state != "over" else _ENDS[one.why],
        "filled": size,
        "average": average,
    }


def _condition(one: JournalOrder) -> _Row:
    return {
        "id": one.request.id,
        "number": one.venue_id,
        "side": one.request.side.value,
        "kind": _KINDS[one.request.kind],
        "trigger": one.request.price,
        "closes": True,
        "by": "MARK_PRICE",
        "state": "open" if one.state != "over" else _ENDS[one.why],
    }


def _triggered(waiting: Iterable[JournalOrder], filled: Mapping[str, list[JournalFill]]) -> list[_Row]:
    """The orders that conditions have become: under the condition's id, with a number of their own."""
    ids = {one.request.id: one for one in waiting}
    found: list[_Row] = []
    for number, fills in filled.items():
        one = ids.get(fills[0].order)
        if one is not None:
            size, average = _size_and_average(fills)
            row: _Row = {"id": one.request.id, "number": number, "side": one.request.side.value, "kind": "MARKET"}
            found.append(row | {"size": size, "filled": size, "average": average, "state": "filled"})
    return found


def _fill(trade: TradeReport) -> _Row:
    return {
        "number": trade.trade_id,
        "order": trade.venue_id,
        "side": trade.side.value,
        "price": trade.price,
        "size": trade.size,
        "fee": trade.fee,
        "fee_asset": "USDT",
        "is_maker": trade.is_maker,
        "ms": trade.ts_event // 1_000_000,
    }
