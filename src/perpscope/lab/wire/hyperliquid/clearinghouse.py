"""The accounts' books: who holds what, and everybody's fills.

In: trades, each with who met whom. Out: rows of `trades` and `userFills`, and accounts to be asked for their state.
Invented positions at the start are large for TRADERS and small for MAKERS; neither is ever liquidated.
"""

from collections import deque
from collections.abc import Sequence

import msgspec

from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Stand
from perpscope.lab.wire.hyperliquid.accounts import MAKERS, TRADERS, Chance, Match, matches
from perpscope.lab.wire.hyperliquid.listings import ASSETS, written
from perpscope.model.market import Liquidation, PositionSide, Side, Trade

_NS_PER_MS = 1_000_000
BLOCK_MS = 75  #: between two blocks (45–156 ms on the wire, 68 in the middle); a minute is a whole number of them
KEPT_FILLS, _KEPT_TRADES, _KEPT_UNLUCKY = 2000, 30, 2000
_TAKER_FEE, _MAKER_FEE = 0.00045, 0.00015
_MAKER_CASH, _CASH = 20_000_000.0, 250_000.0
_TRADER_COVER = 0.22  # of a trader's notional, in cash
_MAKER_USD, _TRADER_USD = 250_000.0, 2_500_000.0  # a position at the start, at most
_ISOLATED = 0.25  # share of the traders' positions
_LEVERAGES, _ISOLATED_LEVERAGES = (3, 5, 10), (2, 3, 5)
_UNLUCKY_LEVERAGES = (5, 10, 10)


class Position(msgspec.Struct):
    """One coin of one account."""

    szi: float = 0.0  #: base units, below zero for a short
    entry: float = 0.0  #: average, USDC per base
    leverage: int = 5
    raw_usd: float | None = None  #: cash within an isolated position; None if cross


class Fill(msgspec.Struct, frozen=True, gc=False):
    """One account's side of a trade."""

    ts_ms: int
    coin: str
    row: str  #: as `userFills` has it


class Account:
    """One address."""

    __slots__ = ("address", "cash", "fills", "positions")

    def __init__(self, of: str) -> None:
        self.address = of
        self.cash = _MAKER_CASH if of in MAKERS else 0.0 if of in TRADERS else _CASH  #: USDC, cross
        self.positions: dict[str, Position] = {}
        self.fills: deque[Fill] = deque(maxlen=KEPT_FILLS)  #: newest last

    def traded(self, coin: str, signed: float, price: float, fee: float) -> tuple[float, float]:
        """Change a position; its size before, and the profit that was closed."""
        held = self.positions.setdefault(coin, Position())
        before = held.szi
        closed = min(abs(before), abs(signed)) if before * signed < 0 else 0.0
        profit = closed * (price - held.entry) * (1 if before > 0 else -1)
        after = round(before + signed, 8)
        if before * signed >= 0:
            held.entry = (abs(before) * held.entry + abs(signed) * price) / abs(after)
        elif before * after < 0:
            held.entry = price
        self.cash -= fee
        if held.raw_usd is None:
            self.cash -= signed * price
        else:  # margin follows at the position's leverage
            moved = (abs(after) - abs(before)) * price / held.leverage
            held.raw_usd += moved - signed * price
            self.cash -= moved
        held.szi = after
        if not after:
            self.cash += held.raw_usd or 0.0
            del self.positions[coin]
        return before, profit


def block_ms(ts_ns: int) -> int:
    """The block's time of a moment: everything within a block has the same."""
    return ts_ns // _NS_PER_MS // BLOCK_MS * BLOCK_MS


class Settled(msgspec.Struct, frozen=True):
    """What a trade came to."""

    rows: list[str]  #: of `trades`
    fills: list[tuple[str, str]]  #: address and row of `userFills`
    is_watchable: bool  #: one of the large accounts took part


class Clearinghouse:
    """All accounts of one lab."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._unlucky: deque[str] = deque()
        self._begun: set[str] = set()
        self.recent: dict[str, deque[str]] = {}  #: newest rows of `trades` by coin, newest last

    def account(self, of: str) -> Account | None:
        """An account; None if nobody has heard of it."""
        return self._accounts.get(of)

    @property
    def addresses(self) -> Sequence[str]:
        """Of all accounts."""
        return tuple(self._accounts)

    def begin(self, listing: Listing, price: float) -> None:
        """Hand out the positions people hold at the start."""
        coin = listing.symbol
        if coin in self._begun:
            return
        self._begun.add(coin)
        self.recent[coin] = deque(maxlen=_KEPT_TRADES)
        for of in (*MAKERS, *TRADERS):
            chance = Chance(f"{of}/{coin}")
            is_trader = of in TRADERS
            usd = (0.2 + 0.8 * chance.draw()) * (_TRADER_USD if is_trader else _MAKER_USD)
            szi = round(usd / price, ASSETS[coin].sz_decimals) * (1 if chance.draw() < 0.5 else -1)
            entry = price * (0.98 + 0.04 * chance.draw())
            is_isolated = is_trader and chance.draw() < _ISOLATED
            leverages = _ISOLATED_LEVERAGES if is_isolated else _LEVERAGES
            leverage = leverages[int(chance.draw() * len(leverages))]
            account = self._known(of)
            if is_isolated:
                account.positions[coin] = Position(szi, entry, leverage, usd / leverage - szi * entry)
            else:
                account.positions[coin] = Position(szi, entry, leverage)
                account.cash += (usd * _TRADER_COVER if is_trader else 0.0) - szi * entry

    def settle(self, stand: Stand, trade: Trade, liquidation: Liquidation | None = None) -> Settled:
        """Enter a trade into everybody's books."""
        listing, coin = stand.listing, stand.listing.symbol
        self.begin(listing, trade.price)
        time, price = block_ms(trade.ts_event), listing.price(trade.price)
        side = "B" if trade.side is Side.BUY else "A"
        settled = Settled([], [], False)
        met = matches(listing, trade, liquidation)
        if liquidation is not None:
            self._befall(met[0].taker, coin, trade, liquidation)
        mark = price if stand.mark is None else listing.price(stand.mark.mark)
        for match in met:
            users = (match.taker, match.maker) if side == "B" else (match.maker, match.taker)
            size = listing.size(match.size)
            row = (
                f'{{"coin":"{coin}","side":"{side}","px":"{price}","sz":"{size}","time":{time},'
                f'"hash":"{match.hash}","tid":{match.tid},"users":["{users[0]}","{users[1]}"]}}'
            )
            settled.rows.append(row)
            self.recent[coin].append(row)
            forced = "" if liquidation is None else _forced(match, mark)
            for of in users:
                fill = self._filled(of, match, trade, (time, coin, price, size), forced)
                settled.fills.append((of, fill))
        watched = {*MAKERS, *TRADERS}
        is_watchable = any(of in watched for of, _ in settled.fills)
        return msgspec.structs.replace(settled, is_watchable=is_watchable)

    def _filled(self, of: str, match: Match, trade: Trade, told: tuple[int, str, str, str], forced: str) -> str:
        """One side of a match: the account's row of `userFills`."""
        time, coin, price, size = told
        is_taker, is_buy = of == match.taker, (of == match.taker) == (trade.side is Side.BUY)
        fee = match.size * trade.price * (_TAKER_FEE if is_taker else _MAKER_FEE)
        signed = match.size if is_buy else -match.size
        before, profit = self._known(of).traded(coin, signed, trade.price, fee)
        direction = _direction(before, signed)
        if match.is_backstop and is_taker:
            direction = f"Liquidated Cross {'Short' if is_buy else 'Long'}"
        decimals = ASSETS[coin].sz_decimals
        row = (
            f'{{"coin":"{coin}","px":"{price}","sz":"{size}","side":"{"B" if is_buy else "A"}","time":{time},'
            f'"startPosition":"{written(before, decimals)}","dir":"{direction}","closedPnl":"{written(profit, 6)}",'
            f'"hash":"{match.hash}","oid":{(match.tid >> 12) + is_taker},"crossed":{"true" if is_taker else "false"},'
            f'"fee":"{written(fee, 6)}","tid":{match.tid}{forced},"feeToken":"USDC","twapId":null}}'
        )
        self._known(of).fills.append(Fill(time, coin, row))
        return row

    def _befall(self, of: str, coin: str, trade: Trade, liquidation: Liquidation) -> None:
        """Give the one who is about to be liquidated the position that is lost."""
        leverage = _UNLUCKY_LEVERAGES[int(Chance(of).draw() * len(_UNLUCKY_LEVERAGES))]
        sign = 1 if liquidation.position_side is PositionSide.LONG else -1
        entry = trade.price / (1 - sign * 0.8 / leverage)
        account = self._known(of)
        account.cash = trade.size * entry / leverage - sign * trade.size * entry
        account.positions[coin] = Position(sign * trade.size, entry, leverage)
        self._unlucky.append(of)
        if len(self._unlucky) > _KEPT_UNLUCKY:
            self._accounts.pop(self._unlucky.popleft(), None)

    def _known(self, of: str) -> Account:
        account = self._accounts.get(of)
        if account is None:
            account = self._accounts[of] = Account(of)
        return account


def _forced(match: Match, mark: str) -> str:
    method = "backstop" if match.is_backstop else "market"
    return f',"liquidation":{{"liquidatedUser":"{match.taker}","markPx":"{mark}","method":"{method}"}}'


def _direction(before: float, signed: float) -> str:
    """What a fill did to a position, in the venue's words."""
    is_long = before > 0 if before else signed > 0
    name, other = ("Long", "Short") if is_long else ("Short", "Long")
    if before * signed >= 0:
        return f"Open {name}"
    return f"{name} > {other}" if abs(signed) > abs(before) + 1e-9 else f"Close {name}"
