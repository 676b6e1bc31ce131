"""Which way the heart and its faces speak: a local socket found by the store's path, or Redis where its URL is set.

Redis is imported only then. Several hearts may share one Redis under names of their own: the URL's `#name`, else
"perpscope"; a demo's has "-demo" after it, so that no face of a real store ever hears it.
"""

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urldefrag

from perpscope.bus.local import LocalPublisher, LocalSubscriber, socket_path
from perpscope.bus.memory import MemoryCache
from perpscope.errors import ConfigError, PerpscopeError
from perpscope.ports import Cache, Publisher, Subscriber
from perpscope.settings import Settings
from perpscope.stores.sqlite import SqliteReader
from perpscope.stores.status import StoreKind

if TYPE_CHECKING:
    from types import ModuleType

_NAME: Final = "perpscope"
_DEMO: Final = "-demo"
_CAN_NAME: Final = re.compile(r"[\w.-]{1,48}", re.ASCII)
_INSTALL: Final = "pip install 'perpscope[redis]'"


async def publisher(settings: Settings, database: Path, announce: Callable[[str], None]) -> Publisher:
    """The heart's end, ready to publish.

    Args:
        settings: the whole tree.
        database: the store this heart writes.
        announce: told where faces find it, unless it is the local socket.

    Raises:
        ConfigError: Redis is asked for and its client is not installed, or its URL is none.
        StoreError: the socket cannot be made.
    """
    if not settings.redis.bus:
        return await LocalPublisher.open(socket_path(database))
    url, name = _named(settings.redis.bus, database)
    spill = database.with_name(f"{database.name}.unsent")
    told: Publisher = await _redis().RedisPublisher.open(url, spill=spill, name=name)
    announce(f"faces are told by Redis, as {name!r}")
    return told


def subscriber(
    settings: Settings,
    database: Path | None,
    topics: Collection[str],
    *,
    group: str | None = None,
    member: str | None = None,
) -> Subscriber | None:
    """A face's end; None where there is neither a Redis nor a store to find a heart by.

    Args:
        settings: the whole tree.
        database: the store whose heart is listened to.
        topics: by name; see `model.bulletin.Topic`.
        group: those who share the messages; None = all of them come.
        member: who of the group this is.

    Raises:
        ConfigError: as for `publisher`.
    """
    if settings.redis.bus:
        url, name = _named(settings.redis.bus, database)
        heard: Subscriber = _redis().RedisSubscriber(url, topics, name=name, group=group, member=member)
        return heard
    if database is None:
        return None
    return LocalSubscriber(socket_path(database), topics, group=group, member=member)


def local(database: Path, topics: Collection[str]) -> Subscriber:
    """A face's end of the local socket of a store's heart."""
    return LocalSubscriber(socket_path(database), topics)


def cache(settings: Settings, database: Path | None) -> Cache:
    """Where answers are kept: shared by Redis under the heart's name, or in this process alone.

    Args:
        settings: the whole tree.
        database: the store that is answered from; None = a replica, which has none.

    Raises:
        ConfigError: as for `publisher`.
    """
    if not settings.redis.cache:
        return MemoryCache()
    url, name = _named(settings.redis.cache, database)
    shared: Cache = _redis().RedisCache(url, name=name)
    return shared


def _named(url: str, database: Path | None) -> tuple[str, str]:
    """The URL of a Redis, and under which name the heart of a store speaks there."""
    address, named = urldefrag(url)
    if named and not _CAN_NAME.fullmatch(named):
        raise ConfigError(
            "redis-url",
            "the Redis URL ends in a name that is none (it is not repeated here: it may hold a password)",
            hint="#name has letters, digits, dot, dash and underscore, up to 48; write # in a password as %23",
        )
    name = named or _NAME
    return address, name + _DEMO if _is_demo(database) else name


def _is_demo(database: Path | None) -> bool:
    """Whether a store, if there is one, holds a generated market."""
    if database is None or not database.is_file():
        return False
    try:
        with SqliteReader.open(database) as reader:
            return reader.kind is StoreKind.DEMO
    except PerpscopeError:
        return False


def _redis() -> "ModuleType":
    try:
        import perpscope.bus.redis as module  # noqa: PLC0415 -- an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "redis":
            raise
        raise ConfigError("extra-missing", "Redis is set, and its client is not installed", hint=_INSTALL) from error
    return module
