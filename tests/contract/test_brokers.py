"""One sweep over every broker, found by name: what it builds the lab's exchange takes, and what that tells it reads.

A market made by hand stands for the exchange, so that each turn of an order's life can be brought about. Skip when the
lab has no private side for the venue.
"""

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from tests.trading import START_MS, HandMarket

import perpscope.venues
from perpscope.errors import FrameError
from perpscope.lab.accounts.account import Account, KeyRights
from perpscope.lab.accounts.misfortunes import Misfortune, Mishap
from perpscope.lab.allowance import Rate
from perpscope.lab.dialect import Call
from perpscope.model.exchange import (
    BalanceReport,
    Ending,
    FundingReport,
    KeyExpired,
    OrderReport,
    OrderState,
    OtherFee,
    PositionReport,
    Reply,
    Restrictions,
    Terms,
    TradeReport,
    UserEvent,
)
from perpscope.model.instrument import Instrument
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, OrderRequest, Role
from perpscope.model.stream import HttpRequest, Urgency
from perpscope.ports.broker import Broker, HttpAnswer, broker_of

NAMES = [
    module.name
    for module in pkgutil.iter_modules(perpscope.venues.__path__)
    if importlib.util.find_spec(f"perpscope.venues.{module.name}.broker")
]
KEY, SECRET = "brokerkey", "brokersecret"
MS = 1_000_000


class Dealing:
    """A broker, and the lab's exchange it deals with.

    Args:
        name: of the venue.
    """

    def __init__(self, name: str) -> None:
        self.broker: Broker = broker_of(importlib.import_module(f"perpscope.venues.{name}.broker"))
        self.market = HandMarket()
        self.account: Account = self.market.private.accounts.open(KEY, SECRET, "10000")
        self.account.isolated.add("BTCUSDT")
        self.instrument: Instrument = self.market.listings[0].instrument
        self.listen_key = self.broker.listening(self.call(self.broker.listen_key()))
        self.numbers = 0

    def call(self, request: HttpRequest, secret: str = SECRET) -> HttpAnswer:
        """Signed, and sent to the lab."""
        self.market.now_s += 1.0
        sent = self.broker.signed(request, KEY, secret, self.market.now_ms)
        query = dict(parse_qs(sent.query, keep_blank_values=True))
        call = Call(
            sent.method,
            sent.path,
            {name: values[0] for name, values in query.items()},
            sent.body or b"",
            self.market.now_s,
            raw_query=sent.query,
            headers=dict(sent.headers),
            wall_ms=self.market.wall_ms,
        )
        answer = self.market.private.answer(call)
        return HttpAnswer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.body)

    def order(
        self, side: Side, size: str, kind: OrderKind = OrderKind.MARKET, price: str | None = None
    ) -> OrderRequest:
        """A wish with the next number."""
        self.numbers += 1
        return OrderRequest(
            id=f"run-strategy-{self.numbers}",
            instrument=self.instrument.id,
            ts_recv=START_MS * MS,
            side=side,
            size=Decimal(size),
            kind=kind,
            role=Role.ENTRY,
            price=None if price is None else Decimal(price),
        )

    def placed(self, order: OrderRequest) -> Reply:
        """Sent, and what that came to."""
        return self.broker.reply(self.call(self.broker.place(order, self.instrument)))

    def asked(self, order: OrderRequest) -> Reply:
        """What has become of it, as REST has it."""
        is_conditional = order.kind in (OrderKind.STOP, OrderKind.TAKE)
        return self.broker.reply(self.call(self.broker.ask(order.id, self.instrument, is_conditional=is_conditional)))

    def cancelled(self, order: OrderRequest) -> Reply:
        """Taken back, and what that came to."""
        is_conditional = order.kind in (OrderKind.STOP, OrderKind.TAKE)
        request = self.broker.cancel(order.id, self.instrument, is_conditional=is_conditional)
        return self.broker.reply(self.call(request))

    def frames(self) -> list[bytes]:
        """What the user stream carries since the last time, of what the broker asks for on it."""
        query = parse_qs(urlsplit(self.broker.user_stream(self.listen_key)).query)
        wanted = query["events"][0].split("/")
        heard = [raw for topic, raw in self.market.heard if topic.partition("@")[2] in wanted]
        self.market.heard.clear()
        return heard

    def events(self) -> list[UserEvent]:
        """The same, decoded."""
        return [event for raw in self.frames() for event in self.broker.heard(raw, 0)]

    def working(self) -> list[OrderReport]:
        """Both books."""
        return [
            row for request in self.broker.working(self.instrument) for row in self.broker.orders(self.call(request))
        ]

    def held(self) -> PositionReport:
        """The position."""
        return self.broker.held(self.call(self.broker.holdings(self.instrument)), self.instrument)


@pytest.fixture(params=NAMES)
def dealing(request: pytest.FixtureRequest) -> Dealing:
    """Every broker in turn."""
    return Dealing(request.param)


def test_there_is_a_broker() -> None:
    """Protects this sweep from sweeping nothing."""
    assert "binance" in NAMES


def test_market_order_is_filled_and_told_alike_by_all(dealing: Dealing) -> None:
    """Protects I3: reply, question, fills, position and stream tell one story of one order. Keeps S4-23."""
    order = dealing.order(Side.BUY, "0.010")
    told = dealing.placed(order)
    assert told.is_done
    assert told.report is not None
    assert (told.report.id, told.report.state, told.report.filled) == (order.id, OrderState.FILLED, Decimal("0.010"))
    assert dealing.asked(order).report == told.report
    fills = dealing.broker.traded(dealing.call(dealing.broker.trades(dealing.instrument)))
    assert [(fill.price, fill.size, fill.id) for fill in fills] == [(Decimal("50000.1"), Decimal("0.010"), "")]
    events = dealing.events()
    streamed = [event for event in events if isinstance(event, TradeReport)]
    assert [msgspec.structs.replace(fill, id="") for fill in streamed] == fills
    assert [fill.id for fill in streamed] == [order.id]
    reports = [event for event in events if isinstance(event, OrderReport)]
    assert [one.state for one in reports] == [OrderState.NEW, OrderState.FILLED]
    assert events.index(streamed[0]) < events.index(reports[-1]), "a fill comes before the order is over"
    position = next(event for event in events if isinstance(event, PositionReport))
    held = dealing.held()
    assert (held.size, held.entry_price) == (position.size, position.entry_price) == (Decimal("0.010"), fills[0].price)
    assert held.margin == position.margin
    assert held.liquidation_price is not None
    wallets = {event.wallet for event in events if isinstance(event, BalanceReport)}
    assert wallets == {row.wallet for row in dealing.broker.balances(dealing.call(dealing.broker.money()))}
    assert sum(fill.fee for fill in fills) == Decimal(10_000) - wallets.pop()


def test_a_fee_in_another_coin_is_told_as_such_by_all(dealing: Dealing) -> None:
    """Protects the ledger: stream and list say which coin and how much, the wallet of the quote pays nothing."""
    coin = dealing.broker.fee_coin
    if not coin:
        pytest.skip("this venue takes its fees in the quote")
    dealing.market.private.accounts.pay_fees_in(dealing.account, coin, "5", price=Decimal(500))
    assert dealing.placed(dealing.order(Side.BUY, "0.010")).is_done
    (listed,) = dealing.broker.traded(dealing.call(dealing.broker.trades(dealing.instrument)))
    (streamed,) = [event for event in dealing.events() if isinstance(event, TradeReport)]
    paid = Decimal("0.00045000")  # 500.001 × 0.05 % × 0.9 ÷ 500
    assert listed.other == streamed.other == OtherFee(asset=coin, amount=paid)
    assert (listed.fee, listed.is_fee_known) == (Decimal(0), False)
    wallets = {row.asset: row.wallet for row in dealing.broker.balances(dealing.call(dealing.broker.money()))}
    assert wallets == {dealing.instrument.quote: Decimal(10_000), coin: 5 - paid}


def test_orders_off_the_contracts_rules_say_so(dealing: Dealing) -> None:
    """Protects D14: what the filters refuse is told from other refusals; D19: likewise of a contract that settles."""
    prices = dealing.market.private.accounts.prices
    assert not dealing.broker.is_off_rules(dealing.placed(dealing.order(Side.BUY, "0.010", OrderKind.STOP, "49000")))
    prices.refilter("BTCUSDT", tick=Decimal("0.5"), step=Decimal("0.004"), min_notional=Decimal(400))
    wishes = [
        dealing.order(Side.BUY, "0.010"),
        dealing.order(Side.BUY, "0.012", OrderKind.LIMIT, "49500.1"),
        dealing.order(Side.BUY, "0.004"),
        dealing.order(Side.BUY, "0.012", OrderKind.LIMIT, "70000"),
    ]
    assert all(dealing.broker.is_off_rules(dealing.placed(one)) for one in wishes)
    assert dealing.placed(dealing.order(Side.BUY, "0.012")).is_done
    prices.refilter("BTCUSDT", is_trading=False)
    assert dealing.broker.is_off_rules(dealing.placed(dealing.order(Side.BUY, "0.012")))


def test_one_order_too_many_says_that_the_rules_are_why(dealing: Dealing) -> None:
    """Protects an account that is full: -2025 and -4045 are refusals by the rules, which tell how many may stand."""
    dealing.market.private.accounts.prices.refilter("BTCUSDT", max_orders=2, max_conditional=1)
    listed = dealing.broker.ruled(dealing.call(dealing.broker.rules_request()), dealing.instrument)
    assert (listed.max_orders, listed.max_conditional) == (2, 1)
    wishes = [
        dealing.order(Side.BUY, "0.010", OrderKind.LIMIT, "49500"),
        dealing.order(Side.SELL, "0.010", OrderKind.STOP, "49000"),
        dealing.order(Side.SELL, "0.010", OrderKind.TAKE, "51000"),
        dealing.order(Side.BUY, "0.010", OrderKind.LIMIT, "49400"),
    ]
    replies = [dealing.placed(one) for one in wishes]
    assert [one.is_done for one in replies] == [True, True, False, False]
    assert [dealing.broker.is_off_rules(one) for one in replies] == [False, False, True, True]


def test_fills_are_asked_for_from_an_id_on(dealing: Dealing) -> None:
    """Protects what is missed while the stream is down: from the next id, oldest first; from a time as well."""
    for _ in range(3):
        assert dealing.placed(dealing.order(Side.BUY, "0.010")).is_done
    ask, broker = dealing.broker.trades, dealing.broker
    every = broker.traded(dealing.call(ask(dealing.instrument)))
    assert [fill.trade_id for fill in every] == sorted(fill.trade_id for fill in every)
    assert broker.traded(dealing.call(ask(dealing.instrument, from_id=every[1].trade_id))) == every[1:]
    assert broker.traded(dealing.call(ask(dealing.instrument, ts_from=START_MS * MS))) == every
    later = (dealing.market.now_ms + 1) * MS
    assert broker.traded(dealing.call(ask(dealing.instrument, ts_from=later))) == []


def test_limit_order_rests_and_is_taken_back(dealing: Dealing) -> None:
    """Protects entries: an order in the book is found by its own id, and gone when it is cancelled, once."""
    order = dealing.order(Side.BUY, "0.0200", OrderKind.LIMIT, "49500.0")
    told = dealing.placed(order)
    assert told.report is not None
    assert (told.report.state, told.report.price, told.report.size) == (
        OrderState.NEW,
        Decimal(49500),
        Decimal("0.020"),
    )
    assert [row.id for row in dealing.working()] == [order.id]
    again = dealing.placed(order)
    assert (again.ending, dealing.broker.is_duplicate(again)) == (Ending.REFUSED, True)
    gone = dealing.cancelled(order)
    assert gone.report is not None
    assert gone.report.state is OrderState.CANCELLED
    assert dealing.working() == []
    late = dealing.cancelled(order)
    assert dealing.broker.is_absent(late)
    assert not dealing.broker.is_duplicate(late)


@pytest.mark.parametrize(
    ("kind", "price", "then"), [(OrderKind.STOP, "49000", 48990), (OrderKind.TAKE, "51000", 51010)]
)
def test_condition_closes_what_is_held(dealing: Dealing, kind: OrderKind, price: str, then: float) -> None:
    """Protects B15: stop and take wait among the conditional orders, watch the mark, and close the whole position."""
    assert dealing.placed(dealing.order(Side.BUY, "0.010")).is_done
    order = dealing.order(Side.SELL, "0.010", kind, price)
    told = dealing.placed(order)
    assert told.report is not None
    assert (told.report.id, told.report.state, told.report.price) == (order.id, OrderState.NEW, Decimal(price))
    assert (told.report.is_conditional, told.report.size, told.report.is_reducing) == (True, None, True)
    assert [(row.id, row.is_conditional) for row in dealing.working()] == [(order.id, True)]
    assert dealing.broker.is_duplicate(dealing.placed(order))
    assert dealing.placed(dealing.order(Side.BUY, "0.010")).is_done, "what is held grows, and the condition with it"
    dealing.frames()
    dealing.market.move(then)
    events = dealing.events()
    turns = [one for one in events if isinstance(one, OrderReport) and one.is_conditional]
    assert turns[0].state is OrderState.TRIGGERED
    assert turns[-1].state is OrderState.FILLED
    fill = next(one for one in events if isinstance(one, TradeReport))
    assert fill.venue_id == turns[-1].becomes
    assert fill.size == Decimal("0.020")
    asked = dealing.asked(order).report
    assert asked is not None
    assert (asked.state, asked.becomes, asked.filled) == (OrderState.FILLED, fill.venue_id, fill.size)
    assert dealing.held().size == 0
    assert dealing.working() == []


def test_condition_is_taken_back(dealing: Dealing) -> None:
    """Protects siblings: one that is not wanted any more is cancelled by its own id; asked again it is no more."""
    assert dealing.placed(dealing.order(Side.BUY, "0.010")).is_done
    order = dealing.order(Side.SELL, "0.010", OrderKind.STOP, "49000")
    assert dealing.placed(order).is_done
    assert dealing.cancelled(order).is_done
    assert dealing.broker.is_absent(dealing.cancelled(order))
    asked = dealing.asked(order).report
    assert asked is not None
    assert asked.state is OrderState.CANCELLED
    states = [event.state for event in dealing.events() if isinstance(event, OrderReport) and event.is_conditional]
    assert states == [OrderState.NEW, OrderState.CANCELLED]


def test_orders_that_are_over_are_listed(dealing: Dealing) -> None:
    """Protects the count of duplicates after a run: every order since then, filled, cancelled or waiting, once."""
    orders = [dealing.order(Side.BUY, "0.010"), dealing.order(Side.BUY, "0.010", OrderKind.LIMIT, "49500")]
    orders.append(dealing.order(Side.SELL, "0.010", OrderKind.STOP, "49000"))
    for order in orders:
        assert dealing.placed(order).is_done
    assert dealing.cancelled(orders[1]).is_done
    asked = dealing.broker.past_orders(dealing.instrument, START_MS * MS)
    rows = [row for request in asked for row in dealing.broker.orders(dealing.call(request))]
    assert [(row.id, row.state) for row in rows] == [
        (orders[0].id, OrderState.FILLED),
        (orders[1].id, OrderState.CANCELLED),
        (orders[2].id, OrderState.NEW),
    ]
    later = dealing.broker.past_orders(dealing.instrument, (dealing.market.now_ms + 1) * MS)
    assert [row for request in later for row in dealing.broker.orders(dealing.call(request))] == []


def test_order_is_found_by_the_venues_own_id(dealing: Dealing) -> None:
    """Protects D11, D18: whose a fill is that only REST tells, can be asked."""
    told = dealing.placed(dealing.order(Side.BUY, "0.010")).report
    assert told is not None
    asked = dealing.call(dealing.broker.ask_venue(told.venue_id, dealing.instrument))
    assert dealing.broker.reply(asked).report == told


def test_condition_that_is_met_already_is_told_as_that(dealing: Dealing) -> None:
    """Protects D13: a stop on the wrong side of the mark closes the position at once instead of being tried again."""
    met = dealing.placed(dealing.order(Side.SELL, "0.010", OrderKind.STOP, "50500"))
    other = dealing.placed(msgspec.structs.replace(dealing.order(Side.SELL, "0.010"), is_reducing=True))
    assert (dealing.broker.is_met(met), dealing.broker.is_met(other)) == (True, False)


def test_refusals_say_why(dealing: Dealing) -> None:
    """Protects D13, D15: a stop that would trigger at once and a reduction of nothing are refused, not unknown."""
    at_once = dealing.placed(dealing.order(Side.SELL, "0.010", OrderKind.STOP, "50500"))
    nothing = dealing.placed(msgspec.structs.replace(dealing.order(Side.SELL, "0.010"), is_reducing=True))
    off_tick = dealing.placed(dealing.order(Side.BUY, "0.010", OrderKind.LIMIT, "49999.99"))
    for told in (at_once, nothing, off_tick):
        assert told.ending is Ending.REFUSED
        assert told.code
        assert told.why
        assert not dealing.broker.is_absent(told)
        assert not dealing.broker.is_duplicate(told)
    unknown = dealing.asked(dealing.order(Side.BUY, "0.010"))
    assert dealing.broker.is_absent(unknown)


@pytest.mark.parametrize(
    ("mishap", "ending"),
    [
        (Mishap.UNKNOWN, Ending.UNKNOWN),
        (Mishap.UNKNOWN_NOT_DONE, Ending.UNKNOWN),
        (Mishap.TIMEOUT, Ending.UNKNOWN),
        (Mishap.TIMEOUT_NOT_DONE, Ending.UNKNOWN),
        (Mishap.UNREADABLE, Ending.UNKNOWN),
        (Mishap.UNAVAILABLE, Ending.FAILED),
        (Mishap.INTERNAL, Ending.FAILED),
        (Mishap.OVERLOADED, Ending.FAILED),
        (Mishap.UNSEEN, Ending.DONE),
    ],
)
def test_misfortunes_end_as_documented(dealing: Dealing, mishap: Mishap, ending: Ending) -> None:
    """Protects D1, D2, D20: an answer that leaves open what happened is never read as a refusal, nor as success."""
    dealing.market.private.accounts.suffer(Misfortune(mishap, for_ms=3000))
    assert dealing.placed(dealing.order(Side.BUY, "0.010")).ending is ending


def test_overload_lets_what_closes_pass(dealing: Dealing) -> None:
    """Protects D20: a reduction is told as one, so that the exchange does not throttle it."""
    assert dealing.placed(dealing.order(Side.BUY, "0.010")).is_done
    dealing.market.private.accounts.suffer(Misfortune(Mishap.OVERLOADED, of="POST *", times=9))
    assert dealing.placed(dealing.order(Side.SELL, "0.010", OrderKind.STOP, "49000")).is_done
    assert dealing.placed(msgspec.structs.replace(dealing.order(Side.SELL, "0.010"), is_reducing=True)).is_done


def test_too_many_orders_are_limited(dealing: Dealing) -> None:
    """Protects C1: what was not taken since it was too much is neither refused nor unknown, and says how long."""
    dealing.market.private.order_limits = (Rate(1, 10.0), Rate(1, 60.0))
    dealing.placed(dealing.order(Side.BUY, "0.010"))
    dealing.market.now_s -= 1.0
    told = dealing.placed(dealing.order(Side.BUY, "0.010"))
    assert told.ending is Ending.LIMITED
    assert told.wait_s > 0


def test_wrong_time_and_wrong_secret_are_told_apart(dealing: Dealing) -> None:
    """Protects C3: a clock that is off may be mended and asked again; a wrong secret may not."""
    asked = dealing.broker.holdings(dealing.instrument)
    wrong = dealing.call(asked, secret="another")
    assert not dealing.broker.is_mistimed(wrong)
    assert dealing.broker.reply(wrong).ending is Ending.REFUSED
    dealing.market.wall_ms += 60_000
    signed = dealing.broker.signed(asked, KEY, SECRET, dealing.market.now_ms - 60_000)
    call = Call("GET", signed.path, dict(signed.params), b"", 0.0, signed.query, dict(signed.headers), 0)
    late = dealing.market.private.answer(call)
    answer = HttpAnswer(late.status, late.headers, late.body)
    assert dealing.broker.is_mistimed(answer)
    assert dealing.broker.reply(answer).ending is Ending.FAILED
    clock = dealing.market.private.answer(Call("GET", dealing.broker.time_request().path, {}, b"", 0.0))
    assert dealing.broker.server_time(clock.body) == dealing.market.now_ms * MS


def test_funding_is_told_alike_by_stream_and_history(dealing: Dealing) -> None:
    """Protects D21: the same settlement has one id, so that it is booked once."""
    assert dealing.placed(dealing.order(Side.BUY, "0.010")).is_done
    dealing.frames()
    for _ in range(16):
        dealing.market.wait(1_800)
        dealing.call(dealing.broker.extend_key())
    dealing.market.mark(50_000.0)
    listed = dealing.broker.funded(dealing.call(dealing.broker.fundings(dealing.instrument, START_MS * MS)))
    streamed = [event for event in dealing.events() if isinstance(event, FundingReport)]
    assert [(one.id, one.paid) for one in listed] == [(one.id, one.paid) for one in streamed]
    assert [one.paid > 0 for one in listed] == [True]


def test_forced_close_is_nobodys_order(dealing: Dealing) -> None:
    """Protects D18: what the exchange closes itself comes as a fill without an order of ours, and says why."""
    assert dealing.placed(dealing.order(Side.BUY, "0.010")).is_done
    dealing.frames()
    dealing.market.private.accounts.deleverage(dealing.account, "BTCUSDT")
    events = dealing.events()
    forced = [event for event in events if isinstance(event, OrderReport)]
    assert {one.id for one in forced} == {""}
    assert {one.why for one in forced} == {"deleveraged"}
    assert [event.id for event in events if isinstance(event, TradeReport)] == [""]
    assert dealing.held().size == 0


@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        (KeyRights(), Restrictions(can_trade=True, can_withdraw=False, is_bound_to_address=True)),
        (KeyRights(can_withdraw=True), Restrictions(can_trade=True, can_withdraw=True, is_bound_to_address=True)),
        (KeyRights(can_transfer=True), Restrictions(can_trade=True, can_withdraw=True, is_bound_to_address=True)),
        (
            KeyRights(can_trade=False, is_bound_to_address=False),
            Restrictions(can_trade=False, can_withdraw=False, is_bound_to_address=False),
        ),
    ],
)
def test_rights_of_a_key_are_told(dealing: Dealing, rights: KeyRights, expected: Restrictions) -> None:
    """Protects S14: every way to take money out counts as a withdrawal."""
    dealing.account.rights = rights
    assert dealing.broker.permitted(dealing.call(dealing.broker.permissions())) == expected


def test_terms_become_what_is_wanted(dealing: Dealing) -> None:
    """Protects sizing: one-way, isolated and the leverage of ours, by as few calls as it takes; then by none."""
    broker, instrument = dealing.broker, dealing.instrument
    dealing.account.isolated.clear()
    dealing.account.is_hedged = True

    def found() -> Terms:
        return broker.agreed([dealing.call(request) for request in broker.terms(instrument)], instrument)

    first = found()
    wanted = msgspec.structs.replace(first, leverage=3, is_isolated=True, is_hedged=False)
    assert first.is_hedged
    calls = broker.settle_terms(instrument, wanted, first)
    assert [broker.reply(dealing.call(request)).ending for request in calls] == [Ending.DONE] * 3
    assert [broker.reply(dealing.call(request)).ending for request in calls] == [Ending.DONE] * 3, "so already"
    assert found() == wanted
    assert broker.settle_terms(instrument, wanted, found()) == []
    assert wanted.taker > wanted.maker > 0


def test_stream_key_is_kept_and_its_end_is_told(dealing: Dealing) -> None:
    """Protects C6: the key is the same while it lives; its end comes as an event, and extending it is refused then."""
    broker = dealing.broker
    assert broker.listening(dealing.call(broker.listen_key())) == dealing.listen_key
    assert broker.reply(dealing.call(broker.extend_key())).is_done
    dealing.market.private.listen_keys.expire(dealing.account)
    assert [type(event) for event in dealing.events()] == [KeyExpired]
    assert broker.reply(dealing.call(broker.extend_key())).ending is Ending.REFUSED
    assert dealing.listen_key in broker.user_stream(dealing.listen_key)


def test_account_without_anything_is_read(dealing: Dealing) -> None:
    """Protects a first start: nothing is held, nothing works, nothing was traded or paid."""
    held = dealing.held()
    assert (held.size, held.entry_price, held.margin) == (Decimal(0), None, None)
    assert dealing.working() == []
    assert dealing.broker.traded(dealing.call(dealing.broker.trades(dealing.instrument))) == []
    assert dealing.broker.funded(dealing.call(dealing.broker.fundings(dealing.instrument, 0))) == []


def test_orders_go_before_everything_else(dealing: Dealing) -> None:
    """Protects B15 where the budget is short: what trades and what protects is asked with the urgency of orders."""
    broker, instrument = dealing.broker, dealing.instrument
    order = dealing.order(Side.BUY, "0.010")
    urgent = [broker.place(order, instrument), broker.cancel(order.id, instrument, is_conditional=True)]
    urgent += [broker.ask(order.id, instrument, is_conditional=False), *broker.working(instrument)]
    urgent += [broker.trades(instrument), broker.holdings(instrument)]
    assert {request.urgency for request in urgent} == {Urgency.ORDER}


@pytest.mark.parametrize("name", ["", "a" * 37, "with blank", "ümlaut", "a&b=c"])
def test_ids_a_venue_cannot_know_are_not_sent(dealing: Dealing, name: str) -> None:
    """Protects idempotence: an id that would be cut, changed or refused is our own mistake, told before sending."""
    order = msgspec.structs.replace(dealing.order(Side.BUY, "0.010"), id=name)
    with pytest.raises(ValueError, match="order ids"):
        dealing.broker.place(order, dealing.instrument)


def test_any_id_within_the_rule_is_signed_as_it_is_sent(dealing: Dealing) -> None:
    """Protects signatures: characters that a URL would write otherwise are signed as they are written."""
    order = msgspec.structs.replace(dealing.order(Side.BUY, "0.010"), id="Run:1/x.y_z-9")
    told = dealing.placed(order)
    assert told.report is not None
    assert told.report.id == order.id
    assert dealing.asked(order).is_done


def test_readers_refuse_what_is_no_answer(dealing: Dealing) -> None:
    """Protects reconciling: an error body, a web page or another shape is a FrameError, never "nothing there"."""
    broker, instrument = dealing.broker, dealing.instrument
    readers: list[Callable[[HttpAnswer], object]] = [
        broker.orders,
        broker.traded,
        lambda answer: broker.held(answer, instrument),
        broker.balances,
        broker.funded,
        broker.permitted,
        broker.listening,
        lambda answer: broker.agreed([answer] * len(broker.terms(instrument)), instrument),
    ]
    bad = [
        HttpAnswer(200, {}, b""),
        HttpAnswer(200, {}, b'{"code":-1000,"msg":"An unknown error"}'),
        HttpAnswer(200, {}, b"<html></html>"),
        HttpAnswer(503, {}, b"[]"),
        HttpAnswer(400, {}, b'{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}'),
    ]
    for reader in readers:
        for answer in bad:
            with pytest.raises(FrameError):
                reader(answer)


def test_secrets_are_never_shown(dealing: Dealing) -> None:
    """Protects S17: neither key nor secret nor signature is in what is written of a signed call."""
    order = dealing.broker.place(dealing.order(Side.BUY, "0.010"), dealing.instrument)
    signed = dealing.broker.signed(order, "canary-key", "canary-secret", START_MS)
    shown = f"{signed!r} {signed}"
    assert "canary" not in shown
    assert dict(signed.params)["signature"] not in shown
    assert "canary-secret" not in signed.query


def test_cancel_and_question_need_an_id_the_venue_knows(dealing: Dealing) -> None:
    """Protects against asking for another order than ours."""
    for ask in (dealing.broker.cancel, dealing.broker.ask):
        with pytest.raises(ValueError, match="order ids"):
            ask("", dealing.instrument, is_conditional=False)
