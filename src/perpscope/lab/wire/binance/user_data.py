"""Binance's user data streams: listen keys, and what their owners are told on `/private`.

In: what happens to accounts. Out: events on topics `<listen key>@<EVENT>`, so that a connection hears all of a key's
events or only those it asked for, and a fault script can be about one kind: `topic:*@ORDER_TRADE_UPDATE`.
"""

import hashlib
from collections.abc import Iterable
from itertools import count
from typing import assert_never
from urllib.parse import parse_qs, unquote, urlsplit

from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.prices import Prices
from perpscope.lab.accounts.refusals import Reason, Refused
from perpscope.lab.accounts.told import (
    AlgoTold,
    AssetsTold,
    CallTold,
    LeverageTold,
    OrderTold,
    Told,
    WalletTold,
)
from perpscope.lab.dialect import Floor, Frame, Goodbye, Heard, Outlet
from perpscope.lab.wire.binance import streams as wire
from perpscope.lab.wire.binance import user_data_payloads as payloads

EVENTS = (
    "ORDER_TRADE_UPDATE",
    "ACCOUNT_UPDATE",
    "ALGO_UPDATE",
    "TRADE_LITE",
    "MARGIN_CALL",
    "ACCOUNT_CONFIG_UPDATE",
    "listenKeyExpired",
)
VALID_MS = 3_600_000  #: market time
_COMBINED = "combined"


class ListenKeys:
    """Which account has which listen key, and until when; one each.

    Args:
        prices: for the time.
        outlet: where events go.
    """

    def __init__(self, prices: Prices, outlet: Outlet) -> None:
        self._prices = prices
        self._outlet = outlet
        self._numbers = count(1)
        self._keys: dict[str, tuple[str, Account, int]] = {}  # by account: the key, and when it expires, ms

    def start(self, account: Account) -> str:
        """A new key, or the one there is, valid for another hour."""
        key = self.key(account) or self._made(account)
        self._keys[account.key] = (key, account, self._prices.now_ms + VALID_MS)
        return key

    def extend(self, account: Account) -> str:
        """Another hour for the key there is.

        Raises:
            Refused: there is none.
        """
        if not self.key(account):
            raise Refused(Reason.LISTEN_KEY)
        return self.start(account)

    def close(self, account: Account) -> dict[str, str]:
        """End the key there is, for everybody who uses it, without a word; an empty answer."""
        self._keys.pop(account.key, None)
        return {}

    def key(self, account: Account) -> str:
        """The key there is; empty if there is none."""
        found = self._keys.get(account.key)
        return "" if found is None else found[0]

    def expire(self, account: Account) -> None:
        """End the key there is, as at the end of its hour."""
        found = self._keys.pop(account.key, None)
        if found is not None:
            self._outlet.publish(f"{found[0]}@listenKeyExpired", payloads.expired(found[0], self._prices.now_ms))

    def pass_time(self, now_ms: int) -> None:
        """End those whose hour is over."""
        for _, account, until_ms in tuple(self._keys.values()):
            if until_ms <= now_ms:
                self.expire(account)

    def tell(self, account: Account, told: Told) -> None:
        """Tell an account's owner what happened, if he has a key."""
        key = self.key(account)
        if not key:
            return
        match told:
            case OrderTold():
                if told.fill is not None:
                    self._publish(key, "TRADE_LITE", payloads.trade_lite(told, self._prices))
                self._publish(key, "ORDER_TRADE_UPDATE", payloads.order_update(account, told, self._prices))
            case WalletTold():
                self._publish(key, "ACCOUNT_UPDATE", payloads.account_update(account, told, self._prices))
            case AlgoTold():
                self._publish(key, "ALGO_UPDATE", payloads.algo_update(told.algo, self._prices))
            case CallTold():
                self._publish(key, "MARGIN_CALL", payloads.margin_call(account, told.positions, self._prices))
            case LeverageTold():
                update = payloads.leverage_update(told.symbol, told.leverage, self._prices.now_ms)
                self._publish(key, "ACCOUNT_CONFIG_UPDATE", update)
            case AssetsTold():
                update = payloads.assets_update(told.is_multi_asset, self._prices.now_ms)
                self._publish(key, "ACCOUNT_CONFIG_UPDATE", update)
            case _:  # pragma: no cover
                assert_never(told)

    def _publish(self, key: str, event: str, payload: bytes) -> None:
        self._outlet.publish(f"{key}@{event}", payload)

    def _made(self, account: Account) -> str:
        return hashlib.sha256(f"{account.key}/{next(self._numbers)}".encode()).hexdigest()


class UserDialogue:
    """One connection to `/private`: it hears the events of the keys it names, valid or not."""

    def __init__(self, topics: Iterable[str], is_combined: bool, floor: Floor) -> None:
        self.path = wire.Route.PRIVATE.value
        self.topics: dict[str, None] = dict.fromkeys(topics)
        self.form = _COMBINED if is_combined else ""
        self._floor = floor

    def carries(self, topic: str) -> bool:
        """True for user data, and nothing else."""
        return topic.partition("@")[2] in EVENTS

    def wrapped(self, topic: str, payload: bytes) -> bytes:
        """The combined form, under the listen key."""
        return wire.enveloped(topic.partition("@")[0], payload)

    def notice(self) -> bytes | None:
        """None: it closes without a word before."""
        return None

    def goodbye(self, cause: str) -> Goodbye:
        """The close frame."""
        return wire.GOODBYES.get(cause, wire.GOING_AWAY)

    def hear(self, message: bytes, now_s: float) -> Heard:  # noqa: ARG002 (no limit beyond the session's)
        """Answer a request."""
        request = wire.read_request(message)
        if isinstance(request, wire.Refusal):
            return Heard((Frame(wire.refusal(request)),))
        done = Frame(wire.answer(None, request.id))
        match request.method:
            case "SUBSCRIBE":
                asked = topics_of(request.streams)
                refused = next((topic for topic in asked if self._floor.is_refused(topic)), None)
                if refused is not None:
                    words = f"Invalid request: unknown stream {refused}"
                    return Heard((Frame(wire.refusal(wire.Refusal(2, words, request.id))),))
                return Heard((done,), subscribed=asked)
            case "UNSUBSCRIBE":
                return Heard((done,), unsubscribed=topics_of(request.streams))
            case "LIST_SUBSCRIPTIONS":
                keys = dict.fromkeys(topic.partition("@")[0] for topic in self.topics)
                return Heard((Frame(wire.answer(list(keys), request.id)),))
            case "GET_PROPERTY":
                return Heard((Frame(wire.answer(self.form == _COMBINED, request.id)),))
            case _:
                self.form = _COMBINED if request.is_combined else ""
                return Heard((done,))


def topics_of(names: Iterable[str], events: Iterable[str] = EVENTS) -> list[str]:
    """A key stands for all its events; `<key>@<EVENT>` for one."""
    return [topic for name in names for topic in ([name] if "@" in name else [f"{name}@{event}" for event in events])]


def dialogue(target: str, floor: Floor) -> UserDialogue | None:
    """A connection to `/private/ws`, `/private/ws/<key>…`, `/private/stream`, with `?listenKey=…&events=A/B`.

    Without `events` all events come; whether Binance itself sends any then is not known.
    """
    opened = wire.opening(target)
    if opened is None or opened.route is not wire.Route.PRIVATE:
        return None
    query = parse_qs(urlsplit(target).query)
    keys = [*opened.streams, *(unquote(key) for key in query.get("listenKey", ()))]
    chosen = [event for listed in query.get("events", ()) for event in listed.split("/") if event in EVENTS]
    return UserDialogue(topics_of(keys, chosen if "events" in query else EVENTS), opened.is_combined, floor)
