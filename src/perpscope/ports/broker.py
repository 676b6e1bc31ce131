"""What trading at an exchange takes: its private dialect, and somebody who makes the calls.

`venues.<name>.broker` speaks the dialect, `execution` decides what is said, `app` joins them. Nothing here does
anything.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
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

    async def __call__(
        self,
        request: HttpRequest,
        /,
        *,
        on_sent: Callable[[], None] = lambda: None,
        may_go: Callable[[], bool] = lambda: True,
    ) -> HttpAnswer:
        """The answer, of any status.

        Args:
            request: unsigned.
            on_sent: told as soon as it is on its way.
            may_go: asked once the time that is signed was read; where it says no, nothing is sent.

        Raises:
            VenueUnreachable: no connection, or no answer in time; whether it was done is not known, unless its
                `maybe_sent` is False: then nothing has been sent.
            RateLimited: it was not sent, since the venue wants to be left alone, or it might not go any more.
        """
        ...


class Broker(Protocol):
    """A venue's private dialect: what to send to trade there, and what came. No I/O, no clock, no keys.

    Found by name: the module `perpscope.venues.<name>.broker` exposes one as `BROKER`. Whatever reads a reply raises
    FrameError where it is not what the venue documents. A request of urgency ORDER goes before all others.
    """

    @property
    def fee_coin(self) -> str:
        """The coin that fees can be paid in besides the quote; empty = none."""
        ...

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

    def ask_venue(self, venue_id: str, instrument: Instrument) -> HttpRequest:
        """Ask what has become of a plain order, by the venue's name for it: whose a fill is that nobody told."""
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

    def is_off_rules(self, reply: Reply) -> bool:
        """Whether a reply to `place` says that the order does not keep to the contract's rules, as they are now."""
        ...

    def rules_request(self) -> HttpRequest:
        """Ask for the contracts' rules: steps of price and size, the smallest order; needs no key."""
        ...

    def ruled(self, answer: HttpAnswer, instrument: Instrument) -> Instrument:
        """Decode an answer to `rules_request`: the same instrument, by the rules as they are now."""
        ...

    def is_met(self, reply: Reply) -> bool:
        """Whether a reply to `place` says that a condition would be met at once: the price is past it already."""
        ...

    def working(self, instrument: Instrument) -> tuple[HttpRequest, ...]:
        """Ask for all orders that stand, conditional ones too."""
        ...

    def past_orders(self, instrument: Instrument, ts_from: int) -> tuple[HttpRequest, ...]:
        """Ask for every order since a moment (ns UTC), over or not; a thousand of a kind, of seven days at most."""
        ...

    def orders(self, answer: HttpAnswer) -> list[OrderReport]:
        """Decode an answer to one of `working` or `past_orders`."""
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

    def worth_request(self, asset: str, instrument: Instrument) -> HttpRequest:
        """Ask what a coin that a fee was paid in is worth in the quote; needs no key."""
        ...

    def worth(self, answer: HttpAnswer) -> tuple[Decimal, int]:
        """Decode an answer to `worth_request`: quote units of one coin, and when that was so, ns UTC."""
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

    def time_request(self) -> HttpRequest:
        """Ask for the clock that signed times are held against."""
        ...

    def server_time(self, raw: bytes) -> int:
        """Decode the answer to `time_request`: ns UTC."""
        ...

    def is_mistimed(self, answer: HttpAnswer) -> bool:
        """Whether a call was refused since the time it was signed with is not the venue's."""
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


class AccountListener(Protocol):
    """Whom a user stream tells."""

    def heard(self, event: UserEvent) -> None:
        """Take what was told; anything may come twice, and late."""
        ...

    def opened(self) -> None:
        """It has been opened, or opened again: nothing that was told before is told now."""
        ...

    def spoilt(self) -> None:
        """Something was told that could not be read."""
        ...

    def closed(self, cause: str) -> None:
        """It has ended; it will be opened again."""
        ...


class AccountStream(Protocol):
    """The user stream of an account, kept alive."""

    @property
    def is_streaming(self) -> bool:
        """A socket is open, with a key that is good as far as is known."""
        ...

    def doubt(self, why: str) -> None:
        """It did not tell what it should have told: open it anew, with a key that is asked for anew."""
        ...

    async def run(self) -> None:
        """Listen until cancelled."""
        ...


def broker_of(module: ModuleType) -> Broker:
    """The `BROKER` a venue's module `broker` exposes."""
    broker: Broker = module.BROKER
    return broker
