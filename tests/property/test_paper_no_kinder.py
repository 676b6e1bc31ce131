"""RELIABILITY D16: the desk's own exchange is no kinder than a venue: the same script leaves the same position on both.

A script enters with a stop and a take-profit, leaves by parts or by more than is held, and lets the market jump. One
side is the simulated exchange of paper and backtests, the other the lab's Binance, which keeps reduce-only orders,
`closePosition` and conditions on the mark as the venue documents them.
"""

import random
from decimal import Decimal

import pytest
from tests.trading import HandMarket
from tests.unit.made_desk import made, show_book

from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.orders import Ask, Held, Kind
from perpscope.lab.accounts.refusals import Refused
from perpscope.model.market import Side
from perpscope.trading import exchange, orders
from perpscope.trading.layout import ENTRY, LEAVE, MARKET, NS

D = Decimal
_STEP = D("0.001")
_STOP, _TAKE = 0.006, 0.008


class Both:
    """Two exchanges and one market."""

    def __init__(self) -> None:
        self.price, self.ts = 50_000.0, 1_000_000 * NS
        self.desk = made(deposit=100_000.0, leverage=20.0)
        self.market = HandMarket()
        self.accounts = self.market.private.accounts
        self.account: Account = self.accounts.open("key", "secret", "100000")
        self._pass()

    @property
    def held(self) -> tuple[int, int]:
        """Steps, signed: on the desk, and at the venue."""
        venue = self.account.position("BTCUSDT", Held.BOTH).size / _STEP
        return int(self.desk.account.size), int(venue)

    def enter(self, side: int, size: int) -> None:
        """At the market, with a stop and a take-profit from what it was filled at."""
        orders.place(self.desk, self.ts, MARKET, ENTRY, side, size, 0, 1, _STOP, _TAKE)
        self._ask(side, size)
        self._pass()
        entry = float(self.account.position("BTCUSDT", Held.BOTH).entry)
        out = _side(-side)
        for kind, away in ((Kind.STOP_MARKET, -_STOP), (Kind.TAKE_PROFIT_MARKET, _TAKE)):
            trigger = D(repr(round(entry * (1.0 + away * side), 1)))
            ask = Ask(symbol="BTCUSDT", side=out, kind=kind, closes=True, by_mark=True, trigger=trigger)
            self.accounts.waiting.place(self.account, ask)

    def leave(self, size: int) -> None:
        """At the market, by so much; what is more than is held closes what is held."""
        side = -1 if self.held[0] > 0 else 1
        orders.place(self.desk, self.ts, MARKET, LEAVE, side, size, 0, 2)
        self._ask(side, size, reduces=True)
        self._pass()

    def move(self, price: float) -> None:
        """The market is elsewhere: book, trade and mark."""
        self.price = round(price, 1)
        self.market.move(self.price)
        self._pass()

    def _ask(self, side: int, size: int, *, reduces: bool = False) -> None:
        ask = Ask(symbol="BTCUSDT", side=_side(side), kind=Kind.MARKET, size=size * _STEP, reduces=reduces)
        try:
            self.accounts.matching.place(self.account, ask)
        except Refused as refused:
            pytest.fail(f"the venue refuses what the desk may do: {refused}")

    def _pass(self) -> None:
        """Time for what is under way; then a venue's leftovers go, as the gateway has them go."""
        ticks = round(self.price * 10)
        bids, asks = ([(ticks + sign * (at + 1), 1000) for at in range(5)] for sign in (-1, 1))
        for _ in range(3):
            self.ts += NS // 50
            show_book(self.desk, bids, asks, self.ts)
            self.desk.watch.mark, self.desk.watch.mark_at = self.price, self.ts
            exchange.meet_book(self.desk, self.ts)
            exchange.meet_mark(self.desk, self.ts, self.price)
        if not self.account.position("BTCUSDT", Held.BOTH).size:
            for algo in self.account.waits("BTCUSDT"):
                self.accounts.waiting.cancel(self.account, algo)


def _side(side: int) -> Side:
    return Side.BUY if side > 0 else Side.SELL


@pytest.mark.unmeasured
@pytest.mark.parametrize("scripts", [30, pytest.param(1000, marks=[pytest.mark.soak, pytest.mark.timeout(300)])])
def test_d16_the_same_script_leaves_the_same_position(scripts: int) -> None:
    """Entries, exits of any size, conditions and jumps: position by position the same, and nothing ever flips."""
    closed = 0
    for seed in range(scripts):
        rng, both = random.Random(seed), Both()
        sign = 0
        for _ in range(14):
            before, _ = both.held
            match rng.randrange(4):
                case 0 | 1 if not before:
                    sign = rng.choice([1, -1])
                    both.enter(sign, rng.randint(1, 400))
                case 0 if before:
                    both.leave(rng.randint(1, 2 * abs(before)))
                case _:
                    both.move(both.price * (1.0 + rng.uniform(-0.01, 0.01)))
            desk, venue = both.held
            assert desk == venue, (seed, before, desk, venue)
            assert desk * sign >= 0, "nothing flips"
            closed += bool(before and not desk)
    assert closed > scripts, "and much was closed, by its stop, its take-profit or on purpose"
