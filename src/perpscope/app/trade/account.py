"""The account a live run trades: its keys, the way its calls and its stream go, and the exchange made of them.

In: keys, a venue, settings. Out: a `LiveExchange` of one instrument; and at the end, asked of the exchange itself and
of nobody's memory, what it holds and which orders it has.
"""

import hashlib
import importlib
import random
from collections import Counter
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Final

import msgspec

from perpscope.app import venues
from perpscope.app.trade.arming import key_warnings
from perpscope.errors import ConfigError
from perpscope.execution.live import LiveExchange
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.live import LiveFeed
from perpscope.feeds.private_calls import Keys, PrivateCalls
from perpscope.feeds.rest import RestClient
from perpscope.feeds.socket import PicowsConnector
from perpscope.feeds.user_stream import EXTEND_EVERY_S, UserStream
from perpscope.model.instrument import Instrument
from perpscope.ports import Http
from perpscope.ports.broker import AccountListener, AccountStream, Broker, broker_of
from perpscope.settings import Settings
from perpscope.stores.journal import Journal, JournalRun

_MS_NS: Final = 1_000_000


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the exchange itself says at the end."""

    position: Decimal  #: base units, signed
    orders: int  #: of this run, by client id, as the exchange has them
    duplicates: int  #: of these, beyond the first of each id
    unexplained: int  #: of these, that the journal does not know
    wallet: Decimal  #: of the quote, with the margin of positions


class Account:
    """One account at one venue.

    Args:
        venue: where.
        keys: of the account.
        settings: the whole tree.
        clock: market time.
        rng: jitter.

    Raises:
        ConfigError: nobody trades at this venue yet ("venue-no-orders").
    """

    def __init__(
        self, venue: str, keys: Keys, settings: Settings, clock: MarketClock, rng: random.Random | None = None
    ) -> None:
        self.broker = broker_named(venue)
        self.name = f"{venue}:{hashlib.sha256(keys.key.encode()).hexdigest()[:12]}"  #: without the key
        self._venue = venues.find(venue)
        self._own = venues.settings(venue, settings.venue)
        self._is_testnet = venues.is_testnet(venue, self._own)
        self._keys = keys
        self._settings = settings
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311  # jitter, not secrets
        self._calls: PrivateCalls | None = None

    def exchange(
        self,
        instrument: Instrument,
        http: Http,
        journal: Journal,
        run: JournalRun,
        feed: LiveFeed,
        *,
        leverage: float,
        stepped: Callable[[str, str], None] = lambda *_: None,
    ) -> LiveExchange:
        """The exchange of one run.

        Args:
            instrument: what is traded.
            http: the venue's REST client; its limits are shared with the market's calls.
            journal: that holds the account.
            run: begun in it.
            feed: whose front door the desk listens at.
            leverage: of a position.
            stepped: told how far each order is.
        """
        if not isinstance(http, RestClient):
            raise TypeError(f"private calls go through a RestClient, not {type(http).__name__}")
        calls = self._calls = PrivateCalls(http, self.broker, self._keys, lambda: self._clock.now_ns() // _MS_NS)
        return LiveExchange(
            self.broker,
            instrument,
            calls,
            journal,
            run,
            tell=feed.tell,
            stream=self._stream,
            now_ns=self._clock.now_ns,
            health=calls.health,
            settings=self._settings.trade,
            leverage=round(leverage),
            stepped=stepped,
            checks_key=not self._is_testnet,
        )

    async def warnings(self) -> list[str]:
        """What is to be said about the key; nothing of a testnet's, which moves no money.

        Raises:
            VenueError: the venue does not answer.
        """
        if self._is_testnet:
            return []
        assert self._calls is not None  # noqa: S101  # after `exchange`
        may = self.broker.permitted(await self._calls(self.broker.permissions()))
        return key_warnings(may, self._venue.name)

    async def verdict(self, instrument: Instrument, run: str, ts_from: int, intents: Collection[str]) -> Verdict:
        """What the exchange says of a run at its end.

        Args:
            instrument: what was traded.
            run: its id, which its orders' ids begin with.
            ts_from: ns UTC, when it began.
            intents: ids of all orders that were written down.

        Raises:
            VenueError: it does not answer.
        """
        assert self._calls is not None  # noqa: S101  # after `exchange`
        held = self.broker.held(await self._calls(self.broker.holdings(instrument)), instrument)
        answers = [await self._calls(request) for request in self.broker.past_orders(instrument, ts_from)]
        found = [order for answer in answers for order in self.broker.orders(answer) if order.id.startswith(f"{run}-")]
        money = self.broker.balances(await self._calls(self.broker.money()))
        # what a condition has become stands among plain orders under the condition's own id
        times = Counter((order.is_conditional, order.id) for order in found)
        return Verdict(
            position=held.size,
            orders=len({order.id for order in found}),
            duplicates=sum(count - 1 for count in times.values()),
            unexplained=len({order.id for order in found}.difference(intents)),
            wallet=next((one.wallet for one in money if one.asset == instrument.quote), Decimal(0)),
        )

    async def aclose(self) -> None:
        """Make no further calls."""
        if self._calls is not None:
            await self._calls.aclose()

    def _stream(self, listener: AccountListener) -> AccountStream:
        assert self._calls is not None  # noqa: S101  # an exchange asks for it
        base_url = self._own.websocket_url or self._venue.websocket_url
        feed = self._settings.feed
        connector = PicowsConnector(
            self._clock,
            timeout_s=feed.connect_timeout_s,
            max_frame_bytes=feed.max_frame_bytes,
            proxies=venues.proxies({self._venue.name: self._own}, self._settings),
        )
        return UserStream(
            self.broker,
            self._calls,
            base_url,
            listener=listener,
            connector=connector,
            settings=feed,
            rng=self._rng,
            extend_every_s=EXTEND_EVERY_S / self._clock.rate,  # a key lasts an hour of the market
        )


def broker_named(venue: str) -> Broker:
    """The private dialect of a venue.

    Raises:
        ConfigError: there is no such venue, or none of its dialect.
    """
    venues.find(venue)
    try:
        return broker_of(importlib.import_module(f"perpscope.venues.{venue}.broker"))
    except ModuleNotFoundError as error:
        raise ConfigError(
            "venue-no-orders", f"orders cannot be sent to {venue} yet", hint="binance; paper works on all of them"
        ) from error
