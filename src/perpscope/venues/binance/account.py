"""The account behind a key at Binance USD-M: what it holds, what it has, what its key may do, on what terms it trades.

https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api
Weights are those of 2026-11. What a key may do is told by the wallet's interface, on a host of its own; a program that
is pointed at another exchange than the real one asks there instead (`HttpRequest.site`).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from perpscope.errors import FrameError
from perpscope.model.exchange import BalanceReport, FundingReport, PositionReport, Restrictions, Terms
from perpscope.model.instrument import Instrument
from perpscope.model.stream import HttpRequest, Urgency
from perpscope.ports.broker import HttpAnswer
from perpscope.venues.binance.orders import Amount, NotBelow0
from perpscope.venues.binance.reply import Reply, read
from perpscope.venues.binance.symbols import VENUE
from perpscope.venues.binance.wire import MS, Millis, MillisOrNever

POSITIONS, BALANCES, INCOME = "/fapi/v3/positionRisk", "/fapi/v3/balance", "/fapi/v1/income"
PERMISSIONS, WALLET_SITE = "/sapi/v1/account/apiRestrictions", "https://api.binance.com"
MARK = "/fapi/v1/premiumIndex"
CONFIG, MODE, COMMISSION = "/fapi/v1/symbolConfig", "/fapi/v1/positionSide/dual", "/fapi/v1/commissionRate"
LEVERAGE, MARGIN_TYPE = "/fapi/v1/leverage", "/fapi/v1/marginType"
MOST_INCOMES = 1000
_OK = 200
_HOUR_MS = 3_600_000
_ONE_WAY = "BOTH"


class _Position(msgspec.Struct):
    symbol: str
    positionSide: str
    positionAmt: Amount
    entryPrice: NotBelow0
    liquidationPrice: Amount
    isolatedWallet: Amount
    updateTime: MillisOrNever


class _Balance(msgspec.Struct):
    asset: str
    balance: Amount
    updateTime: MillisOrNever


class _Income(msgspec.Struct):
    symbol: str
    incomeType: str
    income: Amount
    time: Millis


class _Mark(msgspec.Struct):
    symbol: str
    markPrice: NotBelow0
    time: Millis


class _Permissions(msgspec.Struct):
    """All of them have to be told: what a key may do is not guessed."""

    ipRestrict: bool
    enableFutures: bool
    enableWithdrawals: bool
    enableInternalTransfer: bool
    permitsUniversalTransfer: bool


class _Config(msgspec.Struct):
    symbol: str
    marginType: Literal["CROSSED", "ISOLATED"]
    leverage: Annotated[int, msgspec.Meta(ge=1, le=1000)]


class _Mode(msgspec.Struct):
    dualSidePosition: bool


class _Commission(msgspec.Struct):
    symbol: str
    makerCommissionRate: Amount
    takerCommissionRate: Amount


_positions = msgspec.json.Decoder(list[_Position])
_balances = msgspec.json.Decoder(list[_Balance])
_incomes = msgspec.json.Decoder(list[_Income])
_mark = msgspec.json.Decoder(_Mark)
_permissions = msgspec.json.Decoder(_Permissions)
_configs = msgspec.json.Decoder(list[_Config])
_mode = msgspec.json.Decoder(_Mode)
_commission = msgspec.json.Decoder(_Commission)


def told(decoder: msgspec.json.Decoder[Reply], answer: HttpAnswer) -> Reply:
    """Decode an answer that has to be one.

    Raises:
        FrameError: another status than 200, a refusal, or not the documented shape.
    """
    if answer.status != _OK:
        begins = answer.body[:120].decode("utf-8", "replace")
        raise FrameError(f"binance answered HTTP {answer.status}: {begins!r}", venue=VENUE)
    return read(decoder, answer.body)


# what is held --------------------------------------------------------------------------------------------------------


def holdings(instrument: Instrument) -> HttpRequest:
    """Ask what is held of an instrument."""
    return HttpRequest(path=POSITIONS, params=(("symbol", instrument.symbol),), weight=5, urgency=Urgency.ORDER)


def held(answer: HttpAnswer, instrument: Instrument) -> PositionReport:
    """Decode it; a symbol that is not listed is not held.

    Raises:
        FrameError: not the documented shape, or long and short are held apart, which is not what we trade.
    """
    rows = [row for row in told(_positions, answer) if row.symbol == instrument.symbol]
    if any(row.positionSide != _ONE_WAY and Decimal(row.positionAmt) for row in rows):
        raise FrameError(f"binance holds long and short of {instrument.symbol} apart (hedge mode)", venue=VENUE)
    row = next((one for one in rows if one.positionSide == _ONE_WAY), None)
    if row is None:
        return flat(instrument.symbol, 0)
    size = Decimal(row.positionAmt)
    if not size:
        return flat(instrument.symbol, row.updateTime * MS)
    liquidation = Decimal(row.liquidationPrice)
    return PositionReport(
        symbol=row.symbol,
        size=size,
        entry_price=Decimal(row.entryPrice) or None,
        margin=Decimal(row.isolatedWallet) or None,
        liquidation_price=liquidation if liquidation > 0 else None,
        ts_event=row.updateTime * MS,
    )


def flat(symbol: str, ts_event: int) -> PositionReport:
    """Nothing is held."""
    return PositionReport(
        symbol=symbol, size=Decimal(0), entry_price=None, margin=None, liquidation_price=None, ts_event=ts_event
    )


def money() -> HttpRequest:
    """Ask for the account's balances."""
    return HttpRequest(path=BALANCES, weight=5)


def balances(answer: HttpAnswer) -> list[BalanceReport]:
    """Decode them."""
    return [
        BalanceReport(asset=row.asset, wallet=Decimal(row.balance), ts_event=row.updateTime * MS)
        for row in told(_balances, answer)
    ]


# what a coin is worth ------------------------------------------------------------------------------------------------


def worth_request(asset: str, instrument: Instrument) -> HttpRequest:
    """Ask for the mark price of a coin, in the quote of an instrument."""
    params = (("symbol", f"{asset}{instrument.quote}"),)
    return HttpRequest(path=MARK, params=params, weight=1, urgency=Urgency.ORDER)


def worth(answer: HttpAnswer) -> tuple[Decimal, int]:
    """Decode it: quote units of one coin, and when that was so, ns UTC."""
    row = told(_mark, answer)
    price = Decimal(row.markPrice)
    if not price:
        raise FrameError(f"binance tells no mark price of {row.symbol}", venue=VENUE)
    return price, row.time * MS


# funding -------------------------------------------------------------------------------------------------------------


def fundings(instrument: Instrument, ts_from: int) -> HttpRequest:
    """Ask what funding was paid since a moment, ns UTC."""
    params = (
        ("symbol", instrument.symbol),
        ("incomeType", "FUNDING_FEE"),
        ("startTime", str(ts_from // MS)),
        ("limit", str(MOST_INCOMES)),
    )
    return HttpRequest(path=INCOME, params=params, weight=30)


def funded(answer: HttpAnswer) -> list[FundingReport]:
    """Decode them, oldest first."""
    rows = [row for row in told(_incomes, answer) if row.incomeType == "FUNDING_FEE"]
    rows.sort(key=lambda row: row.time)
    return [funding(row.symbol, Decimal(row.income), row.time) for row in rows]


def funding(symbol: str, received: Decimal, time_ms: int) -> FundingReport:
    """One settlement; its id is made of its hour, since the stream tells none, and oftener nothing is settled."""
    hour = (time_ms + _HOUR_MS // 2) // _HOUR_MS
    return FundingReport(id=f"{symbol}@{hour}", symbol=symbol, paid=-received, ts_event=time_ms * MS)


# what may be done, and on what terms ---------------------------------------------------------------------------------


def permissions() -> HttpRequest:
    """Ask what the key may do."""
    return HttpRequest(path=PERMISSIONS, site=WALLET_SITE)


def permitted(answer: HttpAnswer) -> Restrictions:
    """Decode it; every way to move money elsewhere counts as a withdrawal."""
    key = told(_permissions, answer)
    return Restrictions(
        can_trade=key.enableFutures,
        can_withdraw=key.enableWithdrawals or key.enableInternalTransfer or key.permitsUniversalTransfer,
        is_bound_to_address=key.ipRestrict,
    )


def terms(instrument: Instrument) -> tuple[HttpRequest, ...]:
    """Ask how the account trades an instrument: its leverage and margin, its mode, its fees."""
    of = (("symbol", instrument.symbol),)
    return (
        HttpRequest(path=CONFIG, params=of, weight=5),
        HttpRequest(path=MODE, weight=30),
        HttpRequest(path=COMMISSION, params=of, weight=20),
    )


def agreed(answers: Sequence[HttpAnswer], instrument: Instrument) -> Terms:
    """Decode the three of them."""
    config, mode, commission = answers
    row = next((one for one in told(_configs, config) if one.symbol == instrument.symbol), None)
    if row is None:
        raise FrameError(f"binance told no configuration of {instrument.symbol}", venue=VENUE)
    fees = told(_commission, commission)
    return Terms(
        leverage=row.leverage,
        is_isolated=row.marginType == "ISOLATED",
        is_hedged=told(_mode, mode).dualSidePosition,
        taker=Decimal(fees.takerCommissionRate),
        maker=Decimal(fees.makerCommissionRate),
    )


def settle_terms(instrument: Instrument, wanted: Terms, found: Terms) -> list[HttpRequest]:
    """What to send so that mode, margin and leverage are as wanted, in the order the venue takes them."""
    of = ("symbol", instrument.symbol)
    calls: list[tuple[str, tuple[tuple[str, str], ...]]] = []
    if found.is_hedged is not wanted.is_hedged:
        calls.append((MODE, (("dualSidePosition", "true" if wanted.is_hedged else "false"),)))
    if found.is_isolated is not wanted.is_isolated:
        calls.append((MARGIN_TYPE, (of, ("marginType", "ISOLATED" if wanted.is_isolated else "CROSSED"))))
    if found.leverage != wanted.leverage:
        calls.append((LEVERAGE, (of, ("leverage", str(wanted.leverage)))))
    return [HttpRequest(method="POST", path=path, params=params, urgency=Urgency.ORDER) for path, params in calls]
