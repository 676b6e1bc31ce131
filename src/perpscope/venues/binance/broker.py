"""Binance USD-M's private dialect: the `Broker` port, joined of its rooms.

`orders` says how orders are placed, cancelled and asked for and `order_replies` what the answer means, `account` what
is held and on what terms, `user_events` what the user stream tells, `signing` how a call is proved to be ours.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from perpscope.model.exchange import (
    BalanceReport,
    FundingReport,
    OrderReport,
    PositionReport,
    Reply,
    Restrictions,
    Terms,
    TradeReport,
    UserEvent,
)
from perpscope.model.instrument import Instrument
from perpscope.model.order import OrderRequest
from perpscope.model.stream import HttpRequest, Urgency
from perpscope.ports.broker import HttpAnswer
from perpscope.venues.binance import account, order_replies, orders, rest, signing, user_events

_LISTEN_KEY = "/fapi/v1/listenKey"


class _ListenKey(msgspec.Struct):
    listenKey: str


class _Row(msgspec.Struct):
    """What tells a row of one book from a row of the other."""

    algoId: int | None = None


_rows = msgspec.json.Decoder(list[_Row])
_open = msgspec.json.Decoder(list[orders.WireOrder])
_waiting = msgspec.json.Decoder(list[orders.WireAlgo])
_trades = msgspec.json.Decoder(list[orders.WireTrade])
_anything = msgspec.json.Decoder(msgspec.Raw)
_listen_key = msgspec.json.Decoder(_ListenKey)


class BinanceBroker:
    """Orders and accounts of Binance USD-M futures; see `ports.broker`."""

    fee_coin = "BNB"

    # orders ----------------------------------------------------------------------------------------------------------

    def place(self, order: OrderRequest, instrument: Instrument) -> HttpRequest:
        """Send an order; raises ValueError where the venue cannot know it by its id."""
        return orders.place(order, instrument)

    def cancel(self, order: str, instrument: Instrument, *, is_conditional: bool) -> HttpRequest:
        """Take an order back."""
        return orders.cancel(order, instrument, is_conditional=is_conditional)

    def ask(self, order: str, instrument: Instrument, *, is_conditional: bool) -> HttpRequest:
        """Ask what has become of an order."""
        return orders.ask(order, instrument, is_conditional=is_conditional)

    def ask_venue(self, venue_id: str, instrument: Instrument) -> HttpRequest:
        """Ask what has become of a plain order, by the venue's number."""
        return orders.ask_venue(venue_id, instrument)

    def reply(self, answer: HttpAnswer) -> Reply:
        """What such a call has come to; never raises."""
        return order_replies.reply(answer)

    def is_absent(self, reply: Reply) -> bool:
        """-2011 and -2013."""
        return order_replies.is_absent(reply)

    def is_duplicate(self, reply: Reply) -> bool:
        """-4116."""
        return order_replies.is_duplicate(reply)

    def is_met(self, reply: Reply) -> bool:
        """-2021."""
        return order_replies.is_met(reply)

    def is_off_rules(self, reply: Reply) -> bool:
        """-1111, -4014, -4164 and their like."""
        return order_replies.is_off_rules(reply)

    def rules_request(self) -> HttpRequest:
        """Ask for the catalogue: it has the filters of all contracts, and of no single one."""
        return msgspec.structs.replace(rest.catalogue_request(), urgency=Urgency.ORDER)

    def ruled(self, answer: HttpAnswer, instrument: Instrument) -> Instrument:
        """Decode it; raises FrameError."""
        return rest.ruled(bytes(account.told(_anything, answer)), instrument)

    def working(self, instrument: Instrument) -> tuple[HttpRequest, ...]:
        """Ask for the orders of both books."""
        return orders.working(instrument)

    def past_orders(self, instrument: Instrument, ts_from: int) -> tuple[HttpRequest, ...]:
        """Ask for every order since then, in both books."""
        return orders.past(instrument, ts_from)

    def orders(self, answer: HttpAnswer) -> list[OrderReport]:
        """Decode an answer to one of `working` or `past_orders`; raises FrameError."""
        kinds = account.told(_rows, answer)
        if any(row.algoId is not None for row in kinds):
            return [row.report() for row in account.told(_waiting, answer)]
        return [row.report() for row in account.told(_open, answer)]

    def trades(self, instrument: Instrument, *, from_id: int | None = None, ts_from: int | None = None) -> HttpRequest:
        """Ask for our fills."""
        return orders.trades(instrument, from_id=from_id, ts_from=ts_from)

    def traded(self, answer: HttpAnswer) -> list[TradeReport]:
        """Decode an answer to `trades`, by their ids; raises FrameError."""
        return sorted((row.report() for row in account.told(_trades, answer)), key=lambda fill: fill.trade_id)

    # the account -----------------------------------------------------------------------------------------------------

    def holdings(self, instrument: Instrument) -> HttpRequest:
        """Ask what is held of an instrument."""
        return account.holdings(instrument)

    def held(self, answer: HttpAnswer, instrument: Instrument) -> PositionReport:
        """Decode an answer to `holdings`; raises FrameError."""
        return account.held(answer, instrument)

    def money(self) -> HttpRequest:
        """Ask for the account's balances."""
        return account.money()

    def balances(self, answer: HttpAnswer) -> list[BalanceReport]:
        """Decode an answer to `money`; raises FrameError."""
        return account.balances(answer)

    def worth_request(self, asset: str, instrument: Instrument) -> HttpRequest:
        """Ask for the mark of the coin's own contract."""
        return account.worth_request(asset, instrument)

    def worth(self, answer: HttpAnswer) -> tuple[Decimal, int]:
        """Decode it; raises FrameError."""
        return account.worth(answer)

    def fundings(self, instrument: Instrument, ts_from: int) -> HttpRequest:
        """Ask what funding was paid."""
        return account.fundings(instrument, ts_from)

    def funded(self, answer: HttpAnswer) -> list[FundingReport]:
        """Decode an answer to `fundings`; raises FrameError."""
        return account.funded(answer)

    def permissions(self) -> HttpRequest:
        """Ask what the key may do."""
        return account.permissions()

    def permitted(self, answer: HttpAnswer) -> Restrictions:
        """Decode an answer to `permissions`; raises FrameError."""
        return account.permitted(answer)

    def terms(self, instrument: Instrument) -> tuple[HttpRequest, ...]:
        """Ask how the account trades an instrument."""
        return account.terms(instrument)

    def agreed(self, answers: Sequence[HttpAnswer], instrument: Instrument) -> Terms:
        """Decode the answers to `terms`; raises FrameError."""
        return account.agreed(answers, instrument)

    def settle_terms(self, instrument: Instrument, wanted: Terms, found: Terms) -> list[HttpRequest]:
        """What makes of the terms that were found those that are wanted."""
        return account.settle_terms(instrument, wanted, found)

    # the user stream -------------------------------------------------------------------------------------------------

    def listen_key(self) -> HttpRequest:
        """Ask for the user stream's key: the one there is, valid for another hour, or a new one."""
        return HttpRequest(method="POST", path=_LISTEN_KEY, urgency=Urgency.ORDER)

    def listening(self, answer: HttpAnswer) -> str:
        """Decode an answer to `listen_key`; raises FrameError."""
        return account.told(_listen_key, answer).listenKey

    def extend_key(self) -> HttpRequest:
        """Make the key last another hour; -1125 where it is gone."""
        return HttpRequest(method="PUT", path=_LISTEN_KEY, urgency=Urgency.ORDER)

    def user_stream(self, key: str) -> str:
        """Path and query of the user stream's socket."""
        return f"/private/ws?listenKey={key}&events={'/'.join(user_events.EVENTS)}"

    def heard(self, raw: bytes | memoryview, ts_recv: int) -> list[UserEvent]:  # noqa: ARG002 (frames tell their time)
        """Decode one frame; raises FrameError."""
        return user_events.heard(raw)

    # calls -----------------------------------------------------------------------------------------------------------

    def time_request(self) -> HttpRequest:
        """Ask for the venue's clock, at once."""
        return msgspec.structs.replace(rest.time_request(), urgency=Urgency.ORDER)

    def server_time(self, raw: bytes) -> int:
        """Decode the answer to `time_request`: ns UTC; raises FrameError."""
        return rest.server_time(raw)

    def is_mistimed(self, answer: HttpAnswer) -> bool:
        """-1021."""
        return order_replies.is_mistimed(answer)

    def signed(self, request: HttpRequest, key: str, secret: str, now_ms: int) -> HttpRequest:
        """The same call, signed."""
        return signing.signed(request, key, secret, now_ms)


BROKER = BinanceBroker()
