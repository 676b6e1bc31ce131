"""One client for Redis: bounded in time, silent about secrets, and its failures in plain words."""

from typing import Any, TypeAlias

import redis.asyncio
from redis import exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from perpscope.errors import ConfigError

#: What Redis tells: bytes, numbers and lists of them, by the command. Read where it is asked for.
Reply: TypeAlias = Any

#: Real seconds one operation may take; a blocking read asks for less.
OPERATION_S = 5.0
CONNECT_S = 2.0

#: What a client may raise while Redis cannot be used.
FAILURES = (exceptions.RedisError, OSError, TimeoutError)


class Link:
    """A client and the name it may be called by: host and port, never the URL, which may hold a password."""

    def __init__(self, url: str, *, operation_s: float = OPERATION_S, connect_s: float = CONNECT_S) -> None:
        client = _client(url, operation_s, min(connect_s, operation_s))
        if client is None:
            raise ConfigError(
                "redis-url",
                "the Redis URL cannot be read (it is not repeated here: it may hold a password)",
                hint="write redis://user:password@host:6379/0, rediss:// for TLS, or unix:///path/to/socket",
            )
        self.client: redis.asyncio.Redis = client
        for command in ("XREAD", "XREADGROUP", "XAUTOCLAIM", "XREVRANGE"):
            self.client.set_response_callback(command, _as_told)  # type: ignore[arg-type]  # its protocol names no type
        known = self.client.connection_pool.connection_kwargs
        self.place = str(known["path"]) if "path" in known else f"{known.get('host')}:{known.get('port', 6379)}"

    async def call(self, *words: bytes | str | float) -> Reply:
        """The reply to one command.

        Raises:
            Exception: one of `FAILURES`.
        """
        return await self.client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    def words(self, error: BaseException) -> str:
        """What a failure means, without anything the server or the URL said."""
        return f"Redis at {self.place} {_meaning(error)}"

    async def aclose(self) -> None:
        """Hang up."""
        await self.client.aclose()


def _client(url: str, operation_s: float, connect_s: float) -> redis.asyncio.Redis | None:
    """A client that never repeats by itself what may have been done; None where the URL is none."""
    try:
        return redis.asyncio.Redis.from_url(
            url,
            socket_timeout=operation_s,
            socket_connect_timeout=connect_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            decode_responses=False,
        )
    except (ValueError, TypeError):
        return None


def is_refusal(error: BaseException) -> bool:
    """Whether the server does not let this user do it, whenever it is asked."""
    return isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError)


def is_full(error: BaseException) -> bool:
    """Whether the server refuses writes for want of memory."""
    return isinstance(error, exceptions.OutOfMemoryError)


def _as_told(reply: object, **_: object) -> object:
    """The reply as it came: a stream's entries are read in `batch`."""
    return reply


def _meaning(error: BaseException) -> str:
    if isinstance(error, exceptions.AuthenticationError):
        return "refused the user or the password"
    if isinstance(error, exceptions.NoPermissionError):
        return "does not let this user do what the bus needs (docs/bus.md has the ACL line)"
    if is_full(error):
        return "is full and refuses writes (maxmemory)"
    if isinstance(error, exceptions.BusyLoadingError):
        return "is still loading its data"
    if isinstance(error, exceptions.ReadOnlyError):
        return "is a replica and takes no writes"
    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        return "did not answer in time"
    if isinstance(error, exceptions.ConnectionError | OSError):
        return "cannot be reached"
    return f"failed ({type(error).__name__})"
