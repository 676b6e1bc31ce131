"""Arming as somebody asks for it: the contract found at its venue, and what the account's key may do asked of it.

In: the settings, a symbol as it was typed. Out: what `arming.arm` came to. Nothing is asked of anybody before it is
clear that live may be armed here at all.
"""

from pathlib import Path

from perpscope.app import catalogue, venues
from perpscope.app.trade.account import broker_named
from perpscope.app.trade.arming import Arming, Asked, arm, refuse_careless
from perpscope.app.trade.credentials import keys_of
from perpscope.app.trade.opening import the_one
from perpscope.feeds.clock import MarketClock, wall_ns
from perpscope.feeds.private_calls import Keys, PrivateCalls
from perpscope.feeds.rest import RestClient
from perpscope.model.exchange import Restrictions
from perpscope.ports.broker import Broker
from perpscope.settings import Settings

_MS_NS = 1_000_000


async def armed(database: Path, tree: Settings, venue: str, symbol: str, asked: Asked) -> Arming:
    """Arm live for a strategy on a contract of a venue.

    Args:
        database: whose mode and journal.
        tree: the settings; the keys are those that are set.
        venue: where.
        symbol: what; the venue's own word for it has to be what was typed.
        asked: what somebody said.

    Raises:
        ConfigError: something is missing, by its code; see `arming.arm`.
        VenueError: the venue does not answer.
        StoreError: the journal cannot be written; nothing was armed.
    """
    refuse_careless(tree.trade, asked)
    broker, there, keys = broker_named(venue), venues.find(venue), keys_of(tree.trade)
    own = venues.settings(venue, tree.venue)
    async with venues.rest_client(there, own, tree) as http:
        listed = await catalogue.ask(there, http, turnover=False)
        instrument = the_one(catalogue.choose((symbol,), {venue: listed}).instruments.get(venue, []))
        may = None if venues.is_testnet(venue, own) else await _permitted(http, broker, keys)
    return arm(database, tree.trade, instrument, asked, may, now_ms=wall_ns() // _MS_NS)


async def _permitted(http: RestClient, broker: Broker, keys: Keys) -> Restrictions:
    """What the account's key may do."""
    clock = MarketClock()
    calls = PrivateCalls(http, broker, keys, lambda: clock.now_ns() // _MS_NS)
    try:
        return broker.permitted(await calls(broker.permissions()))
    finally:
        await calls.aclose()
