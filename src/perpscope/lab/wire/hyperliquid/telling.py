"""The seeded market told the way Hyperliquid tells a market: by blocks.

In: events at engine grain. Out: each block's trades and fills under one `time`, best prices when they changed, books
and mids on clocks of their own, contexts each second, candles as they form. A block is told when it is over; its time
is its beginning. There is no sequence number: a new subscriber gets the state as it is, of trades the newest 30.
"""

import base64
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import assert_never

import msgspec

from perpscope.lab.dialect import Outlet
from perpscope.lab.happening import Happening
from perpscope.lab.quotations import Quotations, Stand
from perpscope.lab.wire.hyperliquid import candles
from perpscope.lab.wire.hyperliquid.books import best, book, cuts
from perpscope.lab.wire.hyperliquid.candles import INTERVALS
from perpscope.lab.wire.hyperliquid.clearinghouse import BLOCK_MS
from perpscope.lab.wire.hyperliquid.contexts import context
from perpscope.lab.wire.hyperliquid.dialogue import POST
from perpscope.lab.wire.hyperliquid.info import FAILED, NOT_UNDERSTOOD, OK, desk
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Interval,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Quote,
    Trade,
)

_NS_PER_MS = 1_000_000
_CUTS = {cut.suffix: cut for cut in cuts()}
_SNAPSHOT_FILLS = 30
#: what comes round → milliseconds that must have passed
_CLOCKS = {"fast": 500, "second": 1000, "slow": 5000, "dexs": 15_000}


class HyperliquidTeller:
    """Hyperliquid's cadences.

    Args:
        quotations: what happens.
        outlet: where it is told.
    """

    def __init__(self, quotations: Quotations, outlet: Outlet) -> None:
        self.tick_ns = BLOCK_MS * _NS_PER_MS
        self._quotations = quotations
        self._outlet = outlet
        self._desk = desk(quotations)
        self._house = self._desk.house
        self._stands = {listing.symbol: quotations.stand(listing.symbol) for listing in quotations.listings}
        self._pending: dict[str, Trade] = {}  # trades that may yet prove to be liquidations
        self._rows: dict[str, list[str]] = {}  # of `trades`, in this block
        self._fills: dict[str, list[str]] = {}  # of `userFills`, in this block, by account
        self._moved: set[str] = set()
        self._best: dict[str, str] = {}  # as told
        self._fast: dict[str, dict[str, str | None]] = {}  # likewise, of fastAssetCtxs
        self._candles: dict[str, str] = {}  # likewise, by topic
        self._told_ms = dict.fromkeys(_CLOCKS, 0)
        self._rounds: dict[str, Callable[[int], None]] = {
            "fast": lambda time: self._tell_books(time, is_fast=True),
            "second": self._tell_changes,
            "slow": self._tell_slow,
            "dexs": lambda _: self._tell("allDexsAssetCtxs", self._dexs),
        }

    def tell(self, stand: Stand, event: Happening) -> None:
        """Take in one event; most of it comes out with the block."""
        coin = stand.listing.symbol
        match event:
            case Trade():
                self._settle(coin)
                self._pending[coin] = event
            case Liquidation():
                self._settle(coin, event)
            case Quote():
                self._moved.add(coin)
            case Candle():
                self._candle(stand, event)
            case OpenInterest():
                self._tell(f"activeAssetCtx:{coin}", lambda: self._context(coin))
            case BookSnapshot():
                self._moved.add(coin)
                if event.bids:
                    self._house.begin(stand.listing, event.bids[0][0])
            case BookDelta() | MarkPrice():
                pass  # seen in the stand
            case _:  # pragma: no cover
                assert_never(event)

    def pass_tick(self, ts_ns: int) -> None:
        """End a block: tell what happened in it, and what has come round."""
        now_ms = ts_ns // _NS_PER_MS
        time = now_ms - BLOCK_MS
        for coin in list(self._pending):
            self._settle(coin)
        for coin, rows in self._rows.items():
            self._outlet.publish(f"trades:{coin}", _frame("trades", f"[{','.join(rows)}]"))
        self._rows.clear()
        self._tell_fills()
        for coin in sorted(self._moved):
            self._tell_best(coin, time)
        self._moved.clear()
        for clock, apart_ms in _CLOCKS.items():
            if now_ms - self._told_ms[clock] >= apart_ms:
                self._told_ms[clock] = now_ms
                self._rounds[clock](time)

    def opening(self, topic: str) -> Sequence[bytes]:
        """The state a new subscriber begins with; nothing for events that are only told as they come."""
        if topic.startswith(POST):
            return self._posted(topic.removeprefix(POST))
        name, _, rest = topic.partition(":")
        coin, _, kind = rest.partition(":")
        made: bytes | None = None
        if coin in self._stands:
            made = self._opening_of(name, self._stands[coin], kind)
        elif rest.startswith("0x"):
            made = self._opening_for(name, coin)
        elif name in ("allMids", "allDexsAssetCtxs", "fastAssetCtxs"):
            made = {"allMids": self._mids, "allDexsAssetCtxs": self._dexs, "fastAssetCtxs": self._all_fast}[name]()
        return () if made is None else (made,)

    # a coin --------------------------------------------------------------------------------------------------------

    def _settle(self, coin: str, liquidation: Liquidation | None = None) -> None:
        trade = self._pending.pop(coin, None)
        if trade is None:
            return
        settled = self._house.settle(self._stands[coin], trade, liquidation)
        if liquidation is not None and settled.is_watchable:
            self._outlet.count("LiquidationPublished")
        if self._outlet.is_wanted(f"trades:{coin}"):
            self._rows.setdefault(coin, []).extend(settled.rows)
        for user, row in settled.fills:
            self._fills.setdefault(user, []).append(row)

    def _opening_of(self, name: str, stand: Stand, kind: str) -> bytes | None:
        coin, time = stand.listing.symbol, self._quotations.now_ms // BLOCK_MS * BLOCK_MS
        is_open = stand.book.last_update_id > 0
        match name:
            case "trades":
                rows = self._house.recent.get(coin, ())
                return _frame("trades", f"[{','.join(rows)}]") if rows else None
            case "bbo" if is_open:
                return _bbo(coin, time, best(stand.book))
            case "l2Book" if is_open:
                return _frame("l2Book", book(stand.listing, stand.book, _CUTS[f":{kind}" if kind else ""], time))
            case "candle":
                return _frame("candle", candles.rows(self._quotations, stand.listing, kind)[-1].json)
            case "activeAssetCtx":
                return self._context(coin)
            case _:
                return None

    def _tell_best(self, coin: str, time: int) -> None:
        topic, now = f"bbo:{coin}", best(self._stands[coin].book)
        if self._outlet.is_wanted(topic) and self._best.get(coin) != now:
            self._outlet.publish(topic, _bbo(coin, time, now))
        self._best[coin] = now

    def _tell_books(self, time: int, *, is_fast: bool) -> None:
        """Every book that is listened to, changed or not."""
        for coin, stand in self._stands.items():
            for suffix, cut in _CUTS.items():
                topic = f"l2Book:{coin}{suffix}"
                if cut.is_fast is is_fast and stand.book.last_update_id and self._outlet.is_wanted(topic):
                    self._outlet.publish(topic, _frame("l2Book", book(stand.listing, stand.book, cut, time)))

    def _context(self, coin: str) -> bytes | None:
        found = context(self._stands[coin], self._desk.day(coin))
        return None if found is None else _frame("activeAssetCtx", {"coin": coin, "ctx": found})

    def _candle(self, stand: Stand, event: Candle) -> None:
        """The forming candle, of its own interval; with the minute's also of those made up of shorter ones."""
        coin = stand.listing.symbol
        own = event.interval.value
        names = [own]
        if event.interval is Interval.M1:
            names += [name for name in INTERVALS if name not in {known.value for known in Interval}]
        for name in names:
            topic = f"candle:{coin}:{name}"
            if not self._outlet.is_wanted(topic):
                continue
            if name == own:
                now = candles.row(stand.listing, name, [event]).json
            else:
                now = candles.rows(self._quotations, stand.listing, name)[-1].json
            if self._candles.get(topic) != now:
                self._candles[topic] = now
                self._outlet.publish(topic, _frame("candle", now))

    # all of them ---------------------------------------------------------------------------------------------------

    def _tell(self, topic: str, made: Callable[[], bytes | None]) -> None:
        if self._outlet.is_wanted(topic) and (frame := made()) is not None:
            self._outlet.publish(topic, frame)

    def _tell_slow(self, time: int) -> None:
        self._tell_books(time, is_fast=False)
        self._tell("allMids", self._mids)
        for user in self._house.addresses:
            for name in ("clearinghouseState", "allDexsClearinghouseState", "webData3", "openOrders"):
                self._tell(f"{name}:{user}", partial(self._opening_for, name, user))

    def _tell_changes(self, _: int) -> None:
        """Marks and mids of the coins where they moved."""
        if not self._outlet.is_wanted("fastAssetCtxs"):
            self._fast.clear()
            return
        now = self._prices()
        changed = {coin: prices for coin, prices in now.items() if self._fast.get(coin) != prices}
        self._fast = now
        if changed:
            self._outlet.publish("fastAssetCtxs", _deflated(changed))

    def _prices(self) -> dict[str, dict[str, str | None]]:
        mids = self._desk.mids()
        return {
            coin: {"markPx": stand.listing.price(stand.mark.mark), "midPx": mids.get(coin)}
            for coin, stand in self._stands.items()
            if stand.mark is not None
        }

    def _all_fast(self) -> bytes:
        self._fast = self._fast or self._prices()
        return _deflated(self._fast)

    def _mids(self) -> bytes | None:
        mids = self._desk.mids()
        return _frame("allMids", {"mids": mids}) if mids else None

    def _dexs(self) -> bytes | None:
        contexts = self._desk.contexts()
        return _frame("allDexsAssetCtxs", {"ctxs": [["", contexts]]}) if contexts else None

    # accounts ------------------------------------------------------------------------------------------------------

    def _tell_fills(self) -> None:
        for user, rows in self._fills.items():
            fills = f"[{','.join(rows)}]"
            for topic in (f"userFills:{user}", f"userFills:{user}:byTime"):
                self._outlet.publish(topic, _frame("userFills", f'{{"user":"{user}","fills":{fills}}}'))
            self._outlet.publish(f"userEvents:{user}", _frame("user", f'{{"fills":{fills}}}'))
        self._fills.clear()

    def _opening_for(self, name: str, user: str) -> bytes | None:
        snapshot: dict[str, object] = {"isSnapshot": True, "user": user}
        match name:
            case "userFills":
                account = self._house.account(user)
                newest = [] if account is None else list(account.fills)[: -_SNAPSHOT_FILLS - 1 : -1]
                return _frame(name, snapshot | {"fills": [msgspec.Raw(fill.row.encode()) for fill in newest]})
            case "clearinghouseState":
                return _frame(name, {"dex": "", "user": user, "clearinghouseState": self._desk.state(user)})
            case "allDexsClearinghouseState":
                return _frame(name, {"user": user, "clearinghouseStates": [["", self._desk.state(user)]]})
            case "openOrders":
                return _frame(name, {"dex": "", "user": user, "orders": []})
            case "webData3":
                now: dict[str, object] = {"agentAddress": None, "agentValidUntil": None, "cumLedger": "0.0"}
                now |= {"serverTime": self._quotations.now_ms, "isVault": False, "user": user}
                states = [{"totalVaultEquity": "0.0", "perpsAtOpenInterestCap": []}]
                return _frame(name, {"userState": now, "perpDexStates": states})
            case "userFundings":
                return _frame(name, snapshot | {"fundings": []})
            case "userNonFundingLedgerUpdates":
                return _frame(name, snapshot | {"nonFundingLedgerUpdates": []})
            case _:
                return None

    def _posted(self, said: str) -> Sequence[bytes]:
        """The answer to a request over the socket; none to what is not understood."""
        now_s, _, body = said.partition(":")
        reply = self._desk.ask(body.encode(), float(now_s))
        if reply.status == OK:
            name = msgspec.json.decode(body)["type"]
            answer = {"type": "info", "payload": {"type": name, "data": msgspec.Raw(reply.body)}}
            return (msgspec.json.encode(answer),)
        if reply.status <= NOT_UNDERSTOOD:
            return ()
        words = "500 Internal Server Error: null" if reply.status == FAILED else "429 Too Many Requests: null"
        return (msgspec.json.encode({"type": "error", "payload": words}),)


def _frame(channel: str, data: object) -> bytes:
    """A frame; data that is text is JSON already."""
    inner = data.encode() if isinstance(data, str) else msgspec.json.encode(data)
    return b'{"channel":"%b","data":%b}' % (channel.encode(), inner)


def _bbo(coin: str, time: int, pair: str) -> bytes:
    return f'{{"channel":"bbo","data":{{"coin":"{coin}","time":{time},"bbo":[{pair}]}}}}'.encode()


def _deflated(prices: object) -> bytes:
    """JSON, deflated without a header, in base64."""
    press = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = press.compress(msgspec.json.encode(prices)) + press.flush()
    return _frame("fastAssetCtxs", f'"{base64.b64encode(packed).decode("ascii")}"')
