"""What trading at an exchange takes: its private dialect, and somebody who makes the calls.

`venues.<name>.broker` speaks the dialect, `execution` decides what is said, `app` joins them. Nothing here does
anything.
"""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Protocol

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
from perpscope.model.stream import HttpRequest


class HttpAnswer(msgspec.Struct, frozen=True):
    """What a venue answered, whatever its status."""

    status: int
    headers: Mapping[str, str]  #: names in lower case
    body: bytes


class Caller(Protocol):
    """Makes private calls for one account: signed at the last moment, within the venue's limits."""

    async def __call__(self, request: HttpRequest) -> HttpAnswer:
        """The answer, of any status.

        Raises:
            VenueUnreachable: no connection, or no answer in time; whether it was done is not known.
            RateLimited: it was not sent, since the venue wants to be left alone.
        """
        ...


class Broker(Protocol):
    """A venue's private dialect: what to send to trade there, and what came. No I/O, no clock, no keys.

    Found by name: the module `perpscope.venues.<name>.broker` exposes one as `BROKER`. Whatever reads a reply raises
    FrameError where it is not what the venue documents. A request of urgency ORDER goes before all others.
    """

    def place(self, order: OrderRequest, instrument: Instrument) -> HttpRequest:
        """Send an order under its own id: market and limit to the book, stop and take-profit as conditions on the mark.

        A condition closes whatever is held when it is met.

        Raises:
            ValueError: the venue cannot know an order by that id.
        """
        ...

    def cancel(self, order: str, instrument: Instrument, *, is_conditional: bool) -> HttpRequest:
        """Take an order back, by its own id."""
        ...

    def ask(self, order: str, instrument: Instrument, *, is_conditional: bool) -> HttpRequest:
        """Ask what has become of an order, by its own id."""
        ...

    def reply(self, answer: HttpAnswer) -> Reply:
        """What `place`, `cancel` or `ask` has come to; never raises: what cannot be read is UNKNOWN."""
        ...

    def is_absent(self, reply: Reply) -> bool:
        """Whether a reply to `ask` or `cancel` says that there is no such order (which may be late news)."""
        ...

    def is_duplicate(self, reply: Reply) -> bool:
        """Whether a reply to `place` says that an order of that id is there already: it was sent before."""
        ...

    def working(self, instrument: Instrument) -> tuple[HttpRequest, ...]:
        """Ask for all orders that stand, conditional ones too."""
        ...

    def orders(self, answer: HttpAnswer) -> list[OrderReport]:
        """Decode an answer to one of `working`."""
        ...

    def trades(self, instrument: Instrument, *, from_id: int | None = None, ts_from: int | None = None) -> HttpRequest:
        """Ask for our fills, oldest first, from an id or a time (ns UTC) on; a thousand of them."""
        ...

    def traded(self, answer: HttpAnswer) -> list[TradeReport]:
        """Decode an answer to `trades`."""
        ...

    def holdings(self, instrument: Instrument) -> HttpRequest:
        """Ask what is held of an instrument."""
        ...

    def held(self, answer: HttpAnswer, instrument: Instrument) -> PositionReport:
        """Decode an answer to `holdings`; size 0 where nothing is."""
        ...

    def money(self) -> HttpRequest:
        """Ask for the account's balances."""
        ...

    def balances(self, answer: HttpAnswer) -> list[BalanceReport]:
        """Decode an answer to `money`."""
        ...

    def fundings(self, instrument: Instrument, ts_from: int) -> HttpRequest:
        """Ask what funding was paid since then (ns UTC)."""
        ...

    def funded(self, answer: HttpAnswer) -> list[FundingReport]:
        """Decode an answer to `fundings`, oldest first."""
        ...

    def permissions(self) -> HttpRequest:
        """Ask what the key may do."""
        ...

    def permitted(self, answer: HttpAnswer) -> Restrictions:
        """Decode an answer to `permissions`."""
        ...

    def terms(self, instrument: Instrument) -> tuple[HttpRequest, ...]:
        """Ask how the account trades an instrument."""
        ...

    def agreed(self, answers: Sequence[HttpAnswer], instrument: Instrument) -> Terms:
        """Decode the answers to `terms`."""
        ...

    def settle_terms(self, instrument: Instrument, wanted: Terms, found: Terms) -> list[HttpRequest]:
        """What to send so that leverage and margin are as wanted; positions one-way, isolated."""
        ...

    def listen_key(self) -> HttpRequest:
        """Ask for the user stream's key; asked again, it is made to last."""
        ...

    def listening(self, answer: HttpAnswer) -> str:
        """Decode an answer to `listen_key`."""
        ...

    def extend_key(self) -> HttpRequest:
        """Make the user stream's key last."""
        ...

    def user_stream(self, key: str) -> str:
        """Path and query of the user stream's socket; joined to the venue's WebSocket base URL."""
        ...

    def heard(self, raw: bytes | memoryview, ts_recv: int) -> list[UserEvent]:
        """Decode one frame of the user stream; nothing, where it is none of our business."""
        ...

    def signed(self, request: HttpRequest, key: str, secret: str, now_ms: int) -> HttpRequest:
        """The same call, signed: with the time, the key and what proves that we know the secret.

        Args:
            request: to be sent at once.
            key: public part.
            secret: never kept, told or shown.
            now_ms: the venue's time, epoch ms.
        """
        ...


def broker_of(module: ModuleType) -> Broker:
    """The `BROKER` a venue's module `broker` exposes."""
    broker: Broker = module.BROKER
    return broker
