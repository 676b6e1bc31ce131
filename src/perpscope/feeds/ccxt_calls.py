"""Calls through ccxt: the `Http` port over the library, which is imported when the first exchange is.

In: the calls `ccxt_dialect` names. Out: ccxt's unified answers as JSON, so that they are recorded and decoded like any
reply. ccxt's own rate limiter is on; an exchange that cannot be reached is left alone a while before the next call,
twice as long at most each time. Whatever ccxt raises comes out as one of our errors.
"""

import asyncio
import importlib
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from types import ModuleType, TracebackType
from typing import Final, Protocol

import msgspec

from perpscope.config import nearest
from perpscope.errors import ConfigError, FrameError, RateLimited, VenueError, VenueUnreachable
from perpscope.feeds.ccxt_answers import Market, is_settled
from perpscope.feeds.ccxt_dialect import CANDLES, FUNDING, INTERVALS, MARKETS, OPEN_INTEREST, PREFIX
from perpscope.feeds.clock import wall_ns
from perpscope.feeds.connection import full_jitter
from perpscope.model.market import Interval
from perpscope.model.stream import Channel, HttpRequest

#: How the extra comes into an environment, with pip or without.
_INSTALL = (
    "pip install 'perpscope[ccxt]', or beside ./run: .tools/installer/bin/uv pip install --python .venv/bin/python ccxt"
)
#: One of ccxt's calls may make several requests, each with `_REQUEST_S` to answer.
_CALL_S, _REQUEST_S = 60.0, 10.0
#: Waits after a failure to reach the exchange, and at least after it said that we ask too often (seconds, by hand).
_BACKOFF_FIRST_S, _BACKOFF_MAX_S, _TOO_OFTEN_S = 1.0, 60.0, 10.0
#: Of ccxt's message, which may hold a whole page.
_SHOWN = 200
_LARGEST = 1e15  #: a size or price beyond this is none
_TICK_SIZE = 4  #: ccxt's precision mode in which precisions are steps, not digits
_QUOTES: Final = frozenset({"USDT", "USDC", "USD"})
_PERPETUALS: Final = frozenset({"swap", "linear", "contract"})  #: ccxt's words for where they are listed
_HOST = re.compile(r"^https?://[^/]+")

#: Method of ccxt that a channel needs, as its `has` names it; open interest has a second way.
_NEEDS: Final[Mapping[Channel, str]] = {Channel.MARK_PRICES: "fetchFundingRate"}
_NOW, _HISTORY = "fetchOpenInterest", "fetchOpenInterestHistory"
_OPEN_INTEREST_KEYS = ("symbol", "openInterestAmount", "openInterestValue", "timestamp")
_FUNDING_KEYS = (
    *("symbol", "markPrice", "indexPrice", "fundingRate", "fundingTimestamp", "nextFundingTimestamp"),
    *("interval", "timestamp"),
)


class Exchange(Protocol):
    """As much of a ccxt exchange as is used."""

    has: Mapping[str, object]
    timeframes: Mapping[str, object] | None
    urls: dict[str, object]
    options: dict[str, object]
    precisionMode: int

    def load_markets(self) -> Awaitable[Mapping[str, Mapping[str, object]]]:
        """Every market, by unified symbol."""
        ...

    def fetch_open_interest(self, symbol: str) -> Awaitable[Mapping[str, object]]:
        """An open interest structure."""
        ...

    def fetch_open_interest_history(
        self, symbol: str, timeframe: str, since: None, limit: int
    ) -> Awaitable[list[Mapping[str, object]]]:
        """Open interest structures, the newest of them."""
        ...

    def fetch_funding_rate(self, symbol: str) -> Awaitable[Mapping[str, object]]:
        """A funding rate structure."""
        ...

    def fetch_mark_price(self, symbol: str) -> Awaitable[Mapping[str, object]]:
        """A ticker with the mark price."""
        ...

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: None, limit: int) -> Awaitable[list[list[float | None]]]:
        """Rows of opening time in ms, open, high, low, close, volume."""
        ...

    def close(self) -> Awaitable[None]:
        """Let its connections go."""
        ...


def library() -> ModuleType:
    """The asynchronous half of ccxt.

    Raises:
        ConfigError: it is not installed; the hint has the command.
    """
    try:
        return importlib.import_module("ccxt.async_support")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "extra-missing", f"[ccxt] names exchanges, and {error.name} is not installed", hint=_INSTALL
        ) from error


def refuse_unknown(exchange: str) -> None:
    """Refuse what ccxt does not know.

    Raises:
        ConfigError: no exchange of this name, or ccxt is not installed.
    """
    known: list[str] = library().exchanges
    if exchange not in known:
        like = nearest(exchange, known)
        hint = f"did you mean {like!r}?" if like else "https://docs.ccxt.com lists them"
        raise ConfigError("venue-unknown", f"ccxt knows no exchange {exchange!r}", hint=hint)


class CcxtCalls:
    """One exchange through ccxt.

    Args:
        exchange: its name in ccxt.
        rest_url: base URL that takes the place of every host of the exchange's; empty = its own.
        settings: handed to ccxt's constructor as they are.
        rng: jitter.
        now_ns: market time, ns UTC.

    Raises:
        ConfigError: ccxt is not installed, or knows no such exchange.
    """

    def __init__(
        self,
        exchange: str,
        *,
        rest_url: str = "",
        settings: Mapping[str, object] | None = None,
        rng: random.Random | None = None,
        now_ns: Callable[[], int] = wall_ns,
    ) -> None:
        refuse_unknown(exchange)
        self._ccxt = library()
        self._venue = f"{PREFIX}{exchange}"
        self._rng = rng or random.Random()  # noqa: S311  # jitter, not secrets
        self._now_ns = now_ns
        made = {"timeout": int(_REQUEST_S * 1000), **(settings or {}), "enableRateLimit": True}
        self._exchange: Exchange = getattr(self._ccxt, exchange)(made)
        _narrow(self._exchange.options)
        if rest_url:
            self._exchange.urls["api"] = moved(self._exchange.urls["api"], rest_url.rstrip("/"))
        self._failures = 0
        self._not_before = 0.0  # monotonic seconds
        self._answers: dict[str, Callable[[Mapping[str, str]], Awaitable[object]]] = {
            MARKETS: self._markets,
            OPEN_INTEREST: self._open_interest,
            FUNDING: self._funding,
            CANDLES: self._candles,
        }

    async def __aenter__(self) -> "CcxtCalls":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._exchange.close()

    @property
    def version(self) -> str:
        """Of ccxt."""
        return str(self._ccxt.__version__)

    @property
    def has(self) -> frozenset[Channel]:
        """What ccxt can ask of this exchange."""
        can = self._exchange.has
        found = {channel for channel, method in _NEEDS.items() if can.get(method)}
        if can.get(_NOW) or can.get(_HISTORY):
            found.add(Channel.OPEN_INTEREST)
        if can.get("fetchOHLCV"):
            told = self._exchange.timeframes or {}
            found.update(channel for channel, interval in INTERVALS.items() if interval.value in told)
        return frozenset(found)

    async def get(self, request: HttpRequest) -> bytes:
        """What ccxt answers, as JSON.

        Raises:
            VenueUnreachable: no connection or no answer in time.
            RateLimited: the exchange asked us to wait.
            FrameError: anything else, ccxt's own mistakes included.
        """
        answer = self._answers.get(request.path)
        if answer is None:
            raise FrameError(f"{self._venue}: {request.path} is not asked through ccxt", venue=self._venue)
        if (wait_s := self._not_before - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        try:
            async with asyncio.timeout(_CALL_S):
                told = await answer(dict(request.params))
        except Exception as error:  # ccxt raises its own tree, and whatever its parsing trips over
            raise self._failed(error, request) from error
        self._failures = 0
        return msgspec.json.encode(told)

    def _failed(self, error: Exception, request: HttpRequest) -> VenueError:
        """Our word for what ccxt raised; when the exchange is out of reach, the next call waits."""
        words = " ".join(str(error).split())[:_SHOWN]
        told = f"{self._venue}{request.path}: {type(error).__name__}: {words}"
        ccxt = self._ccxt
        if isinstance(error, ccxt.RateLimitExceeded | ccxt.DDoSProtection):
            wait_s = _TOO_OFTEN_S + self._wait_s()
            self._not_before = time.monotonic() + wait_s
            return RateLimited(told, venue=self._venue, retry_after_s=wait_s)
        if isinstance(error, ccxt.NetworkError | TimeoutError | OSError):
            self._not_before = time.monotonic() + self._wait_s()
            return VenueUnreachable(told, venue=self._venue, hint="check the network, or leave it out of ccxt.venues")
        return FrameError(told, venue=self._venue)

    def _wait_s(self) -> float:
        wait_s = full_jitter(self._failures, _BACKOFF_FIRST_S, _BACKOFF_MAX_S, self._rng)
        self._failures += 1
        return wait_s

    async def _markets(self, _: Mapping[str, str]) -> object:
        """Linear perpetuals quoted and settled in dollars."""
        listed = await self._exchange.load_markets()
        steps = self._exchange.precisionMode == _TICK_SIZE
        return [
            _market(market, has_steps=steps)
            for market in listed.values()
            if market.get("swap") and market.get("linear") and market.get("quote") in _QUOTES
            if market.get("settle") == market.get("quote")
        ]

    async def _open_interest(self, asked: Mapping[str, str]) -> object:
        symbol = asked["symbol"]
        if self._exchange.has.get(_NOW):
            return _chosen(await self._exchange.fetch_open_interest(symbol), _OPEN_INTEREST_KEYS)
        rows = await self._exchange.fetch_open_interest_history(symbol, "5m", None, 2)
        newest = max(rows, key=lambda row: str(row.get("datetime")))
        return _chosen(newest, _OPEN_INTEREST_KEYS)

    async def _funding(self, asked: Mapping[str, str]) -> object:
        told = _chosen(await self._exchange.fetch_funding_rate(asked["symbol"]), _FUNDING_KEYS)
        if told["markPrice"] is None and self._exchange.has.get("fetchMarkPrice"):
            ticker = await self._exchange.fetch_mark_price(asked["symbol"])
            told |= {"markPrice": ticker.get("markPrice"), "indexPrice": told["indexPrice"] or ticker.get("indexPrice")}
        return told

    async def _candles(self, asked: Mapping[str, str]) -> object:
        """Those that were closed when they were asked for: a reply on its way while a minute ends has not all of it."""
        symbol, interval, asked_ns = asked["symbol"], Interval(asked["timeframe"]), self._now_ns()
        rows = await self._exchange.fetch_ohlcv(symbol, interval.value, None, int(asked["limit"]))
        return [row for row in rows if row[0] is None or is_settled(row[0], interval, asked_ns)]


def _narrow(options: Mapping[str, object]) -> None:
    """Have only perpetuals loaded where an exchange lets one choose: spot pairs and options are thousands."""
    chosen = options.get("fetchMarkets")
    types = chosen.get("types") if isinstance(chosen, dict) else None
    if isinstance(chosen, dict) and isinstance(types, list):
        chosen["types"] = [kind for kind in types if kind in _PERPETUALS] or types


def _market(market: Mapping[str, object], *, has_steps: bool) -> Market:
    cost = _inside(_inside(market, "limits"), "cost")
    precision = _inside(market, "precision") if has_steps else {}
    return Market(
        symbol=str(market["symbol"]),
        base=str(market["base"]),
        quote=str(market["quote"]),
        contract_size=_positive(market.get("contractSize")),
        tick=_positive(precision.get("price")),
        step=_positive(precision.get("amount")),
        min_cost=_positive(cost.get("min")),
        active=market.get("active") is not False,
    )


def _inside(told: Mapping[str, object], key: str) -> Mapping[str, object]:
    inner = told.get(key)
    return inner if isinstance(inner, dict) else {}


def _positive(number: object) -> float | None:
    """A number above zero; None for anything else: one odd market must not cost the others."""
    return float(number) if isinstance(number, int | float) and 0 < number < _LARGEST else None


def _chosen(told: Mapping[str, object], keys: tuple[str, ...]) -> dict[str, object]:
    """What is used of a structure: `info`, the exchange's raw message, stays behind."""
    return {key: told.get(key) for key in keys}


def moved(urls: object, rest_url: str) -> object:
    """The tree of ccxt's addresses with another host; paths stay as they are."""
    if isinstance(urls, dict):
        return {name: moved(inner, rest_url) for name, inner in urls.items()}
    return _HOST.sub(rest_url, urls) if isinstance(urls, str) else urls
