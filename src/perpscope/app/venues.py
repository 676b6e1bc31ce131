"""Venues by name, with their settings."""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from perpscope import venues
from perpscope.config import convert, nearest
from perpscope.errors import ConfigError
from perpscope.ports import Venue, Watching, venue_of
from perpscope.settings import Settings, Table
from perpscope.stores.access import too_few_open_files

if TYPE_CHECKING:
    from perpscope.feeds.bans import Closed
    from perpscope.feeds.rest import RestClient


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[venue.<name>]`: where a venue is reached and how much may be asked of it."""

    websocket_url: str = ""  #: empty = the venue's own
    rest_url: str = ""  #: empty = the venue's own
    clock_url: str = ""  #: a lab's market clock; what is collected is then DEMO DATA
    weight_per_minute: Annotated[float, msgspec.Meta(ge=0)] = 0.0  #: request weight a minute; 0 = the venue's own
    proxy: Annotated[str, msgspec.Meta(pattern="^$|^none$|^(http|https|socks4|socks5|socks5h)://")] = ""  #: own way out
    watchlist: tuple[str, ...] = ()  #: accounts whose public fills and positions are followed, where a venue shows them


def names() -> list[str]:
    """Every venue there is a folder for."""
    return sorted(module.name for module in pkgutil.iter_modules(venues.__path__) if module.ispkg)


def find(name: str) -> Venue:
    """The venue of this name.

    Raises:
        ConfigError: there is none.
        StoreError: no more files may be opened ("open-files").
    """
    known = names()
    if not known:  # what lists the folder says nothing when it may not open it
        raise too_few_open_files(f"not one venue can be looked up in {venues.__path__[0]}")
    if name not in known:
        like = nearest(name, known)
        hint = f"did you mean {like!r}?" if like else f"known: {', '.join(known)}"
        raise ConfigError("venue-unknown", f"unknown venue {name!r}", hint=hint)
    return venue_of(importlib.import_module(f"perpscope.venues.{name}"))


def is_testnet(name: str, own: VenueSettings) -> bool:
    """Whether a venue is reached at its testnet, by REST and by stream: its own words, and play money.

    Args:
        name: of the venue.
        own: where it is reached.
    """
    hosts: frozenset[str] = getattr(importlib.import_module(f"perpscope.venues.{name}"), "TESTNETS", frozenset())
    return all(urlsplit(url).hostname in hosts for url in (own.rest_url, own.websocket_url))


def configured(name: str, own: VenueSettings) -> Venue:
    """The venue of this name, following the accounts its settings name.

    Raises:
        ConfigError: there is no such venue, it shows nobody's account, or a name is no account's.
    """
    venue = find(name)
    if not own.watchlist:
        return venue
    if not isinstance(venue, Watching):
        raise ConfigError(
            "config-value", f"venue.{name}.watchlist: {name} shows nobody's account", hint="only Hyperliquid does"
        )
    return venue.watching(own.watchlist)


def settings(name: str, raw: Mapping[str, Table]) -> VenueSettings:
    """The venue's part of the configuration, with its own request weight where none is set.

    Raises:
        ConfigError: there is no such venue, an unknown key or a wrong value.
    """
    own = convert(raw.get(name, {}), VenueSettings, f"venue.{name}")
    return own if own.weight_per_minute else replace(own, weight_per_minute=find(name).weight_per_minute)


def rest_client(venue: Venue, own: VenueSettings, settings: Settings) -> "RestClient":
    """A client of a venue's REST interface, within the budget that this machine shares.

    Raises:
        ConfigError: the proxy is none.
    """
    from perpscope.feeds import limits, way_out  # noqa: PLC0415 -- `config` and `--help` need no network
    from perpscope.feeds.rest import RestClient  # noqa: PLC0415

    url = own.rest_url or venue.rest_url
    proxy = way_out.chosen(own.proxy, settings.proxy.url)
    per_minute, folder = own.weight_per_minute, settings.limits.folder
    governor = limits.open_governor(venue, url, per_minute, way_out=proxy, folder=folder)
    return RestClient(venue.name, url, governor, proxy=proxy)


def closed(name: str, settings: Settings) -> "Closed | None":
    """Until when a venue refuses this address, as any process of this machine has heard; None if it does not.

    A lab's own budget (no `limits.folder`) is known to its process alone.

    Raises:
        ConfigError: the venue's settings or the proxy are wrong.
    """
    from perpscope.feeds import limits, way_out  # noqa: PLC0415 -- `config` and `--help` need no network

    own = convert(settings.venue.get(name, {}), VenueSettings, f"venue.{name}")
    proxy = way_out.chosen(own.proxy, settings.proxy.url)
    url = own.rest_url or find(name).rest_url
    return limits.closed_until(name, url, way_out=proxy, folder=settings.limits.folder)


def proxies(own: Mapping[str, VenueSettings], settings: Settings) -> dict[str, str]:
    """Base URL of each venue's sockets → the proxy they are reached through, "" for none; "" → of any other.

    Raises:
        ConfigError: a proxy is none.
    """
    from perpscope.feeds import way_out  # noqa: PLC0415 -- `config` and `--help` need no network

    found = {"": way_out.chosen("", settings.proxy.url)}
    for name, its in own.items():
        found[its.websocket_url or find(name).websocket_url] = way_out.chosen(its.proxy, settings.proxy.url)
    return found


def refuse_unknown(raw: Mapping[str, Table]) -> None:
    """Refuse `[venue.X]` tables of venues that do not exist, and unknown keys in the others.

    Raises:
        ConfigError: the first of them.
    """
    for name in raw:
        find(name)
        settings(name, raw)
