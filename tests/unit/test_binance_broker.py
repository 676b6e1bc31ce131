"""Binance's private dialect against its documents: what is sent, what answers mean, what the user stream tells."""

from decimal import Decimal

import msgspec
import pytest
from tests.unit import binance_private_frames as frames

from perpscope.errors import FrameError
from perpscope.model.exchange import (
    BalanceReport,
    Ending,
    FundingReport,
    KeyExpired,
    OrderReport,
    OrderState,
    OtherFee,
    PositionReport,
    Terms,
    TradeReport,
)
from perpscope.model.instrument import Instrument
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, OrderRequest, Role
from perpscope.model.stream import HttpRequest, Urgency
from perpscope.ports.broker import HttpAnswer
from perpscope.venues.binance.broker import BROKER
from perpscope.venues.binance.signing import signature
from perpscope.venues.binance.symbols import instrument_named

MS = 1_000_000


def listed(symbol: str = "BTCUSDT") -> Instrument:
    """An instrument by its name."""
    found = instrument_named(symbol)
    assert found is not None
    return found


BTC = listed()


def ok(body: bytes) -> HttpAnswer:
    """An answer of status 200."""
    return HttpAnswer(200, {}, body)


def wish(kind: OrderKind = OrderKind.MARKET, **changes: object) -> OrderRequest:
    """Sell a hundredth of a BTC."""
    order = OrderRequest(
        id="r1-sweep-7",
        instrument=BTC.id,
        ts_recv=0,
        side=Side.SELL,
        size=Decimal("0.0100"),
        kind=kind,
        role=Role.LEAVE,
    )
    return msgspec.structs.replace(order, **changes)


# what is sent --------------------------------------------------------------------------------------------------------


def test_market_order_reduces_and_asks_for_its_result() -> None:
    """Protects exits: reduce-only is said, the size has no needless digits, the answer tells what was filled."""
    sent = BROKER.place(wish(is_reducing=True), BTC)
    assert (sent.method, sent.path, sent.urgency) == ("POST", "/fapi/v1/order", Urgency.ORDER)
    assert dict(sent.params) == {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "MARKET",
        "quantity": "0.01",
        "reduceOnly": "true",
        "newClientOrderId": "r1-sweep-7",
        "newOrderRespType": "RESULT",
    }


def test_limit_order_has_its_price() -> None:
    """Protects entries: a limit order rests until it is cancelled."""
    sent = dict(BROKER.place(wish(OrderKind.LIMIT, price=Decimal("5E+4"), side=Side.BUY), BTC).params)
    assert (sent["side"], sent["type"], sent["price"], sent["timeInForce"]) == ("BUY", "LIMIT", "50000", "GTC")
    assert "reduceOnly" not in sent


@pytest.mark.parametrize(
    ("kind", "named"), [(OrderKind.STOP, "STOP_MARKET"), (OrderKind.TAKE, "TAKE_PROFIT_MARKET")], ids=["stop", "take"]
)
def test_conditions_close_all_by_the_mark(kind: OrderKind, named: str) -> None:
    """Protects B15: they go to the algo book, watch the mark and close whatever is held; a size is not wanted."""
    sent = BROKER.place(wish(kind, price=Decimal("49000.0"), is_reducing=True), BTC)
    assert (sent.method, sent.path) == ("POST", "/fapi/v1/algoOrder")
    assert dict(sent.params) == {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": named,
        "algoType": "CONDITIONAL",
        "triggerPrice": "49000",
        "workingType": "MARK_PRICE",
        "closePosition": "true",
        "clientAlgoId": "r1-sweep-7",
    }


def test_order_without_its_price_is_our_mistake() -> None:
    """Protects the wire from half an order."""
    for kind in (OrderKind.LIMIT, OrderKind.STOP):
        with pytest.raises(ValueError, match="must have a price"):
            BROKER.place(wish(kind), BTC)


def test_fills_begin_with_an_id_or_a_time_never_both() -> None:
    """Protects paging: the venue refuses both together (-1128), and the id is the surer."""
    both = BROKER.trades(BTC, from_id=5, ts_from=7 * MS)
    assert dict(both.params) == {"symbol": "BTCUSDT", "fromId": "5", "limit": "1000"}
    assert dict(BROKER.trades(BTC, ts_from=7 * MS).params)["startTime"] == "7"


def test_signature_is_that_of_the_documents() -> None:
    """Protects every call: the example of the venue's page on signed requests, key, text and result."""
    secret = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
    text = (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000"
        "&timestamp=1591702613943"
    )
    assert signature(secret, text) == "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"


def test_stream_key_wants_no_signature() -> None:
    """Protects the user stream: its routes take the key alone."""
    sent = BROKER.signed(BROKER.listen_key(), "key", "secret", 1)
    assert sent.params == ()
    assert dict(sent.headers) == {"X-MBX-APIKEY": "key"}


def test_rights_are_asked_of_the_wallets_host() -> None:
    """Protects S14: they are told elsewhere than the market, and only where the real exchange is meant."""
    assert (BROKER.permissions().path, BROKER.permissions().site) == (
        "/sapi/v1/account/apiRestrictions",
        "https://api.binance.com",
    )


def test_terms_are_settled_in_the_order_the_venue_takes_them() -> None:
    """Protects a first start: mode before margin before leverage; nothing where all is as wanted."""
    wanted = Terms(leverage=5, is_isolated=True, is_hedged=False, taker=Decimal(0), maker=Decimal(0))
    found = msgspec.structs.replace(wanted, leverage=20, is_isolated=False, is_hedged=True)
    calls = BROKER.settle_terms(BTC, wanted, found)
    assert [call.path for call in calls] == ["/fapi/v1/positionSide/dual", "/fapi/v1/marginType", "/fapi/v1/leverage"]
    assert [dict(call.params) for call in calls] == [
        {"dualSidePosition": "false"},
        {"symbol": "BTCUSDT", "marginType": "ISOLATED"},
        {"symbol": "BTCUSDT", "leverage": "5"},
    ]
    assert BROKER.settle_terms(BTC, wanted, wanted) == []
    back = BROKER.settle_terms(BTC, found, wanted)
    assert [dict(call.params).get("marginType") for call in back] == [None, "CROSSED", None]


# what answers mean ---------------------------------------------------------------------------------------------------


def refusal(code: int, words: str = "words") -> bytes:
    """A refusal's body."""
    return msgspec.json.encode({"code": code, "msg": words})


TABLE = [
    ("filled", 200, frames.ORDER, Ending.DONE),
    ("waiting", 200, frames.ALGO, Ending.DONE),
    ("condition cancelled", 200, frames.ALGO_GONE, Ending.DONE),
    ("success", 200, b'{"code":200,"msg":"success"}', Ending.DONE),
    ("leverage", 200, b'{"leverage":21,"maxNotionalValue":"1000000","symbol":"BTCUSDT"}', Ending.DONE),
    ("key", 200, frames.LISTEN_KEY, Ending.DONE),
    ("C9: error under 200", 200, refusal(-1000), Ending.UNKNOWN),
    ("C9: empty", 200, b"", Ending.UNKNOWN),
    ("C9: web page", 200, b"<html></html>", Ending.UNKNOWN),
    ("half an order", 200, b'{"orderId":1,"symbol":"BTCUSDT"}', Ending.UNKNOWN),
    ("list", 200, b"[]", Ending.UNKNOWN),
    ("503 not known", 503, refusal(0, "Unknown error, please check your request or try again later."), Ending.UNKNOWN),
    ("503 unavailable", 503, refusal(0, "Service Unavailable."), Ending.FAILED),
    ("503 internal", 503, refusal(-1001, "Internal error; unable to process your request."), Ending.FAILED),
    ("503 internal, no code", 503, refusal(0, "Internal error; unable to process your request."), Ending.FAILED),
    ("503 throttled", 503, refusal(-1008, "Request throttled by system-level protection."), Ending.FAILED),
    ("503 web page", 503, b"<html><h1>503 Service Unavailable</h1></html>", Ending.UNKNOWN),
    ("503 empty", 503, b"", Ending.UNKNOWN),
    ("500", 500, refusal(-1000), Ending.UNKNOWN),
    ("500 with a refusal", 500, refusal(-2019), Ending.UNKNOWN),
    ("502", 502, b"<html></html>", Ending.UNKNOWN),
    ("408", 408, refusal(-1007), Ending.UNKNOWN),
    ("-1006", 400, refusal(-1006), Ending.UNKNOWN),
    ("-1007", 400, refusal(-1007), Ending.UNKNOWN),
    ("-1000", 400, refusal(-1000), Ending.UNKNOWN),
    ("-1016", 400, refusal(-1016), Ending.FAILED),
    ("-1021", 400, refusal(-1021), Ending.FAILED),
    ("-1003", 400, refusal(-1003), Ending.LIMITED),
    ("-1015", 429, refusal(-1015), Ending.LIMITED),
    ("429", 429, b"", Ending.LIMITED),
    ("418", 418, b"<html></html>", Ending.LIMITED),
    ("403 by the firewall", 403, b"<html></html>", Ending.UNKNOWN),
    ("redirect", 302, b"", Ending.UNKNOWN),
    ("margin", 400, refusal(-2019), Ending.REFUSED),
    ("would trigger", 400, refusal(-2021), Ending.REFUSED),
    ("reduce-only", 400, refusal(-2022), Ending.REFUSED),
    ("reduce-only quota", 400, refusal(-4118), Ending.REFUSED),
    ("position side", 400, refusal(-4061), Ending.REFUSED),
    ("wrong endpoint", 400, refusal(-4120), Ending.REFUSED),
    ("precision", 400, refusal(-1111), Ending.REFUSED),
    ("key", 401, refusal(-2015), Ending.REFUSED),
    ("margin type so already", 400, refusal(-4046), Ending.DONE),
    ("mode so already", 400, refusal(-4059), Ending.DONE),
]


@pytest.mark.parametrize(("status", "body", "ending"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_answers_end_as_documented(status: int, body: bytes, ending: Ending) -> None:
    """Protects RELIABILITY 1.1, D1, D20, C9: what leaves it open is UNKNOWN, and only what denies it is FAILED."""
    told = BROKER.reply(HttpAnswer(status, {}, body))
    assert told.ending is ending
    assert (told.wait_s > 0) is (ending in (Ending.FAILED, Ending.LIMITED))
    assert told.is_done or told.why


@pytest.mark.parametrize(
    ("status", "headers", "code", "wait_s"),
    [
        (429, {"retry-after": "7"}, -1003, 7.0),
        (429, {}, -1003, 60.0),
        (429, {}, -1015, 10.0),
        (418, {}, -1003, 120.0),
        (418, {"retry-after": "9999999"}, -1003, 259_200.0),
        (429, {"retry-after": "nan"}, -1003, 60.0),
    ],
)
def test_limits_say_how_long(status: int, headers: dict[str, str], code: int, wait_s: float) -> None:
    """Protects C1, C2: the venue's own word counts, within the three days a ban lasts at most."""
    assert BROKER.reply(HttpAnswer(status, headers, refusal(code))).wait_s == wait_s


def test_absent_and_duplicate_are_told_by_their_codes() -> None:
    """Protects D3, D4: "no such order" and "it is there already" are answers of their own."""
    for code, absent, duplicate in (
        (-2011, True, False),
        (-2013, True, False),
        (-4116, False, True),
        (-2019, False, False),
    ):
        told = BROKER.reply(HttpAnswer(400, {}, refusal(code)))
        assert (BROKER.is_absent(told), BROKER.is_duplicate(told)) == (absent, duplicate)
    open_ended = BROKER.reply(HttpAnswer(503, {}, refusal(-2013)))
    assert not BROKER.is_absent(open_ended), "a server that fails proves nothing"


def test_time_that_is_off_is_told_by_its_code() -> None:
    """Protects C3: -1021 and nothing else."""
    bodies = [(400, refusal(-1021)), (400, refusal(-1022)), (400, b"<html>"), (200, refusal(-1021))]
    assert [BROKER.is_mistimed(HttpAnswer(status, {}, body)) for status, body in bodies] == [True, False, False, False]


def test_order_and_condition_are_read_whole() -> None:
    """Protects I3: states, sizes and prices as the venue tells them."""
    plain = BROKER.reply(ok(frames.ORDER)).report
    assert plain == OrderReport(
        id="testOrder",
        venue_id="22542179",
        symbol="BTCUSDT",
        is_conditional=False,
        state=OrderState.NEW,
        side=Side.BUY,
        size=Decimal(10),
        filled=Decimal(0),
        price=Decimal("9300.10"),
        is_reducing=False,
        ts_event=1_566_818_724_722 * MS,
    )
    waiting = BROKER.reply(ok(frames.ALGO)).report
    assert waiting is not None
    assert (waiting.id, waiting.venue_id, waiting.is_conditional) == ("6B2I9XVcJpCjqPAJ4YoFX7", "2146760", True)
    assert (waiting.price, waiting.size, waiting.is_reducing) == (Decimal("750.000"), Decimal("0.01"), True)


@pytest.mark.parametrize(
    ("status", "more", "state"),
    [
        ("TRIGGERING", "", OrderState.TRIGGERED),
        ("TRIGGERED", "", OrderState.TRIGGERED),
        ("FINISHED", '"actualQty":"0.01",', OrderState.FILLED),
        ("FINISHED", '"actualPrice":"751.2",', OrderState.FILLED),
        ("FINISHED", '"actualQty":"",', OrderState.EXPIRED),
        ("CANCELED", "", OrderState.CANCELLED),
        ("REJECTED", "", OrderState.REJECTED),
        ("EXPIRED", "", OrderState.EXPIRED),
    ],
)
def test_conditions_end_as_they_do(status: str, more: str, state: OrderState) -> None:
    """Protects D13: FINISHED says only that it is over; a fill is seen by its size, or by its price alone."""
    body = frames.ALGO.replace(b'"NEW"', f'"{status}"'.encode()).replace(b'"actualPrice":"0.00000",', more.encode())
    report = BROKER.reply(ok(body)).report
    assert report is not None
    assert report.state is state


def test_both_books_are_read_by_what_is_in_them() -> None:
    """Protects reconciling: rows with an algoId are conditions, others orders; a state nobody knows is no row."""
    assert [row.is_conditional for row in BROKER.orders(ok(b"[" + frames.ALGO + b"]"))] == [True]
    assert [row.is_conditional for row in BROKER.orders(ok(b"[" + frames.ORDER + b"]"))] == [False]
    with pytest.raises(FrameError):
        BROKER.orders(ok(b"[" + frames.ORDER.replace(b'"NEW"', b'"ODD"') + b"]"))


def test_account_is_read_as_documented() -> None:
    """Protects I3: fills, positions, money, funding, rights and terms of the venue's own examples."""
    fill = BROKER.traded(ok(frames.TRADES))[0]
    assert (fill.trade_id, fill.venue_id, fill.price, fill.size) == (
        698759,
        "25851813",
        Decimal("7819.01"),
        Decimal("0.002"),
    )
    assert (fill.fee, fill.realised, fill.side) == (Decimal("-0.07819010"), Decimal("-0.91539999"), Side.SELL)
    held = BROKER.held(ok(frames.POSITIONS), listed("ADAUSDT"))
    assert (held.size, held.entry_price, held.margin, held.liquidation_price) == (
        Decimal(30),
        Decimal("0.385"),
        None,
        None,
    )
    assert BROKER.held(ok(frames.POSITIONS), BTC).size == 0
    assert [(row.asset, row.wallet) for row in BROKER.balances(ok(frames.BALANCES))] == [
        ("USDT", Decimal("122607.35137903"))
    ]
    paid = BROKER.funded(ok(frames.INCOME))
    assert [(row.id, row.paid) for row in paid] == [
        ("BTCUSDT@436272", Decimal("-0.2")),
        ("BTCUSDT@436280", Decimal("0.37500000")),
    ]
    rights = BROKER.permitted(ok(frames.PERMISSIONS))
    assert (rights.can_trade, rights.can_withdraw, rights.is_bound_to_address) == (True, False, False)
    terms = BROKER.agreed([ok(frames.CONFIGS), ok(frames.MODE), ok(frames.COMMISSION)], BTC)
    assert terms == Terms(
        leverage=21, is_isolated=False, is_hedged=True, taker=Decimal("0.0004"), maker=Decimal("0.0002")
    )
    with pytest.raises(FrameError, match="no configuration"):
        BROKER.agreed([ok(b"[]"), ok(frames.MODE), ok(frames.COMMISSION)], BTC)


def test_hedged_position_is_not_taken_for_a_flat_one() -> None:
    """Protects I3: long and short apart are not what we trade, and never "nothing held"."""
    with pytest.raises(FrameError, match="hedge mode"):
        BROKER.held(ok(frames.POSITIONS.replace(b'"BOTH"', b'"LONG"')), listed("ADAUSDT"))


def test_rights_that_are_not_told_are_not_guessed() -> None:
    """Protects S14: an answer without one of them is none."""
    with pytest.raises(FrameError):
        BROKER.permitted(ok(frames.PERMISSIONS.replace(b"permitsUniversalTransfer", b"permitsSomething")))


def test_fee_in_another_coin_is_none_of_the_quote() -> None:
    """Protects the ledger: BNB that an account pays fees with is not taken off its dollars, and is not nothing."""
    (plain, *_), (paid, *_) = (
        BROKER.traded(ok(body)) for body in (frames.TRADES, frames.TRADES.replace(b'"USDT","id"', b'"BNB","id"'))
    )
    assert (plain.other, plain.is_fee_known) == (None, True)
    assert (paid.fee, paid.is_fee_known) == (Decimal(0), False)
    assert paid.other == OtherFee(asset="BNB", amount=plain.fee)


def test_a_coin_without_a_mark_is_worth_nothing_that_is_known() -> None:
    """Protects fees: a refusal, or a mark of 0, is no price."""
    for body in (refusal(-1121), b'{"symbol":"BNBUSDT","markPrice":"0.00000000","time":1}'):
        with pytest.raises(FrameError):
            BROKER.worth(ok(body))


def test_rules_of_a_contract_that_is_not_listed_are_not_guessed() -> None:
    """Protects D14: a catalogue without it, without its steps, or a refusal tells nothing."""
    for body in (b'{"symbols":[]}', refusal(-1003), b"<html>"):
        with pytest.raises(FrameError):
            BROKER.ruled(ok(body), listed("ADAUSDT"))


# what the user stream tells ------------------------------------------------------------------------------------------


def test_fill_is_told_before_its_order() -> None:
    """Protects D8: a fill with its id, and then the order it completes; alike in the combined form."""
    fill, order = BROKER.heard(frames.REAL_FILL, 0)
    assert isinstance(fill, TradeReport)
    assert isinstance(order, OrderReport)
    assert (fill.trade_id, fill.id, fill.venue_id, fill.is_maker) == (19334107, "10002", "246411433", True)
    assert (fill.price, fill.size, fill.fee, fill.realised) == (
        Decimal("0.5332"),
        Decimal(20),
        Decimal("0.00213279"),
        Decimal("0.24773076"),
    )
    assert (order.state, order.filled, order.ts_event) == (OrderState.FILLED, Decimal(20), 1_685_466_798_560 * MS)
    assert BROKER.heard(frames.COMBINED, 0) == [fill, order]
    assert BROKER.heard(memoryview(frames.REAL_FILL), 0) == [fill, order]


def test_order_without_a_fill_is_told_alone() -> None:
    """Protects fills from being made up: a frame with a size of 0 has none, and no commission."""
    (order,) = BROKER.heard(frames.NEW_ORDER, 0)
    assert isinstance(order, OrderReport)
    assert (order.id, order.state, order.price, order.why) == ("TEST", OrderState.NEW, Decimal("7103.04"), "")


def test_expiry_has_its_reason() -> None:
    """Protects the journal: the venue's number of why an order expired is kept."""
    raw = frames.NEW_ORDER.replace(b'"X":"NEW"', b'"X":"EXPIRED"').replace(b'"er":"0"', b'"er":"6"')
    (order,) = BROKER.heard(raw, 0)
    assert isinstance(order, OrderReport)
    assert (order.state, order.why) == (OrderState.EXPIRED, "reason 6")


@pytest.mark.parametrize(
    ("own", "why"),
    [
        ("autoclose-1685466798560", "liquidated"),
        ("adl_autoclose", "deleveraged"),
        ("settlement_autoclose-1", "settled: the contract was delisted"),
    ],
)
def test_forced_orders_are_the_venues(own: str, why: str) -> None:
    """Protects D18: they have no id of ours, and say why they were made."""
    fill, order = BROKER.heard(frames.REAL_FILL.replace(b'"10002"', f'"{own}"'.encode()), 0)
    assert isinstance(fill, TradeReport)
    assert isinstance(order, OrderReport)
    assert (fill.id, order.id, order.why) == ("", "", why)


def test_condition_is_told_with_its_reason() -> None:
    """Protects D13: a stop that is gone says so, and why."""
    (order,) = BROKER.heard(frames.ALGO_CANCELED, 0)
    assert isinstance(order, OrderReport)
    assert (order.id, order.venue_id, order.is_conditional, order.size) == (
        "Q5xaq5EGKgXXa0fD7fs0Ip",
        "2148719",
        True,
        None,
    )
    assert (order.state, order.why, order.price) == (OrderState.CANCELLED, "Reduce Only reject", Decimal(750))


def test_money_and_positions_are_told() -> None:
    """Protects I3: every asset, and positions of one-way mode; a flat one has no entry."""
    events = BROKER.heard(frames.ACCOUNT, 0)
    assert [(one.asset, one.wallet) for one in events if isinstance(one, BalanceReport)] == [
        ("USDT", Decimal("122624.12345678")),
        ("BUSD", Decimal("1.00000000")),
    ]
    positions = [one for one in events if isinstance(one, PositionReport)]
    assert [(one.symbol, one.size, one.entry_price, one.margin) for one in positions] == [
        ("BTCUSDT", Decimal(0), None, None),
        ("ETHUSDT", Decimal(-20), Decimal("6563.66500"), Decimal("13200.70726908")),
    ]
    assert not any(isinstance(one, FundingReport) for one in events)


def test_funding_of_an_isolated_position_is_told_at_once() -> None:
    """Protects D21: its contract is known; of a cross position it is not, and the history has to be asked."""
    funding = [one for one in BROKER.heard(frames.FUNDING, 0) if isinstance(one, FundingReport)]
    assert [(one.symbol, one.paid, one.id) for one in funding] == [("BTCUSDT", Decimal("0.12345678"), "BTCUSDT@434652")]
    assert [type(one) for one in BROKER.heard(frames.CROSS_FUNDING, 0)] == [BalanceReport]


def test_other_frames_are_passed_over() -> None:
    """Protects the stream: a fast partial fill, an answer to ourselves, and kinds to come are none of our business."""
    assert [type(one) for one in BROKER.heard(frames.KEY_EXPIRED, 0)] == [KeyExpired]
    for raw in (frames.TRADE_LITE, frames.ACKNOWLEDGED, b'{"e":"GRID_UPDATE","E":1}'):
        assert BROKER.heard(raw, 0) == []


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b"null", b'{"data":1}', b'{"data":{}}', b'{"e":"ORDER_TRADE_UPDATE"}']
)
def test_what_is_no_frame_is_refused(raw: bytes) -> None:
    """Protects the desk: what cannot be read is a FrameError, never an event."""
    with pytest.raises(FrameError):
        BROKER.heard(raw, 0)


def test_request_hides_what_proves_us() -> None:
    """Protects S17: a signature, a header and a listen key are not in what is written of a call."""
    request = HttpRequest(path="/x", params=(("a", "1"), ("listenKey", "canary")), headers=(("X-KEY", "canary"),))
    assert "canary" not in repr(request)
    assert "'a', '1'" in repr(request)
    assert request.query == "a=1&listenKey=canary"
