"""Laws of accounts on the lab's exchanges: nothing is created or lost, and every event agrees with the account."""

import json
import random
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trading import Customer, HandMarket

from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.orders import ZERO
from perpscope.lab.accounts.told import AlgoTold, OrderTold, Told, WalletTold
from perpscope.lab.wire.binance import user_data_payloads as payloads
from perpscope.model.market import Side

#: what may happen next, with the range of its number: lots of 0.001, or tenths of a dollar from the price, or hours
_STEPS: tuple[tuple[str, int, int], ...] = (
    *(("market", 1, 2000), ("market", 1, 2000), ("limit", -300, 300), ("stop", -300, 300), ("trade", -300, 300)),
    *(("move", -9000, 9000), ("move", -9000, 9000), ("cancel", 0, 5), ("hours", 1, 9)),
)
_HISTORY = 60


class Auditor:
    """Holds each event against the account at the moment it is told.

    Args:
        market: where it happens.
        trader: whose account.
    """

    def __init__(self, market: HandMarket, trader: Customer) -> None:
        self.market = market
        self.trader = trader
        self.flow = ZERO  # Σ of what fills were paid for, bought counted negative
        self.size = ZERO
        self.told = 0
        market.private.accounts.listen(self.hear)

    def hear(self, account: Account, told: Told) -> None:
        """One event."""
        if account is not self.trader.account:
            return
        self.told += 1
        prices = self.market.private.accounts.prices
        match told:
            case OrderTold():
                event = json.loads(payloads.order_update(account, told, prices))["o"]
                known = self.trader.order(event["i"])
                assert (event["X"], event["z"], event["ap"]) == (
                    known["status"],
                    known["executedQty"],
                    known["avgPrice"],
                )
                if told.fill is not None:
                    sign = 1 if told.fill.side is Side.BUY else -1
                    self.flow -= sign * told.fill.price * told.fill.size
                    self.size += sign * told.fill.size
            case WalletTold():
                self._wallet(json.loads(payloads.account_update(account, told, prices))["a"])
            case AlgoTold():
                algo = json.loads(payloads.algo_update(told.algo, prices))["o"]
                assert algo["X"] == self.trader.algo(algo["aid"])["algoStatus"]
            case _:
                pass

    def _wallet(self, event: dict[str, Any]) -> None:
        status = self.trader.done("GET", "/fapi/v3/account")
        assert event["B"][0]["wb"] == status["totalWalletBalance"]
        assert event["B"][0]["cw"] == status["totalCrossWalletBalance"]
        for row in event["P"]:
            sides = self.trader.done("GET", "/fapi/v2/positionRisk", symbol=row["s"])
            position = next(one for one in sides if one["positionSide"] == row["ps"])
            assert (row["pa"], row["ep"], row["up"]) == (
                position["positionAmt"],
                position["entryPrice"],
                position["unRealizedProfit"],
            )

    def check(self) -> None:
        """The books balance, to the last digit."""
        account = self.trader.account
        assert account.wallet == account.deposited + sum((row.amount for row in account.incomes), ZERO) - sum(
            (row.amount for row in account.incomes if row.kind == "TRANSFER"), ZERO
        )
        held = list(account.positions("BTCUSDT"))
        assert self.size == sum((position.size for position in held), ZERO)
        mark = self.market.private.accounts.prices.mark("BTCUSDT")
        realised = sum((fill.realised for fill in account.fills), ZERO)
        unrealised = sum((position.unrealised(mark) for position in held), ZERO)
        assert realised + unrealised == self.flow + self.size * mark, "profit is what was paid and what it is worth"
        assert realised == sum((row.amount for row in account.incomes if row.kind == "REALIZED_PNL"), ZERO)
        assert -sum((fill.fee for fill in account.fills), ZERO) == sum(
            (row.amount for row in account.incomes if row.kind == "COMMISSION"), ZERO
        )
        for order in account.orders.values():
            fills = [fill for fill in account.fills if fill.order_id == order.id]
            assert order.filled == sum((fill.size for fill in fills), ZERO) <= order.size
            assert order.is_open is (order.id in account.open)
        assert account.cross_wallet >= 0 or held


def _step(market: HandMarket, trader: Customer, price: float, step: tuple[str, str, int]) -> float:
    what, side, number = step
    held = {"positionSide": ("LONG", "SHORT")[number % 2]} if trader.account.is_hedged else {}
    near = round(50_000 + (price - 50_000) + number / 10, 1)
    match what:
        case "market":
            wish = {"type": "MARKET", "quantity": number / 1000} | held
            trader.ask("POST", "/fapi/v1/order", symbol="BTCUSDT", side=side, **wish)
        case "limit":
            wish = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.7", "price": near} | held
            trader.ask("POST", "/fapi/v1/order", symbol="BTCUSDT", side=side, **wish)
        case "stop":
            wish = {"algoType": "CONDITIONAL", "type": "STOP_MARKET", "quantity": "0.9", "triggerPrice": near} | held
            trader.ask("POST", "/fapi/v1/algoOrder", symbol="BTCUSDT", side=side, **wish)
        case "trade":
            market.trade(Side[side], near, 0.5)
        case "move":
            price = max(20_000.0, near)
            market.move(price)
        case "cancel":
            for order in list(trader.account.open)[:number]:
                trader.ask("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=order)
        case _:
            market.wait(number * 3600)
            market.mark(price, rate=number / 10_000)
    return price


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    is_isolated=st.booleans(),
    is_hedged=st.booleans(),
    leverage=st.sampled_from([5, 20, 50]),
)
def test_nothing_is_created_or_lost(seed: int, is_isolated: bool, is_hedged: bool, leverage: int) -> None:
    """Protects the books: wallet, fills, fees, funding, positions add up exactly, and each event agrees with REST."""
    rng = random.Random(seed)
    market = HandMarket()
    trader = Customer(market, "20000")
    if is_isolated:
        trader.done("POST", "/fapi/v1/marginType", symbol="BTCUSDT", marginType="ISOLATED")
    trader.done("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=leverage)
    if is_hedged:
        trader.done("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true")
    auditor = Auditor(market, trader)
    price = 50_000.0
    for _ in range(_HISTORY):
        what, least, most = rng.choice(_STEPS)
        price = _step(market, trader, price, (what, rng.choice(("BUY", "SELL")), rng.randint(least, most)))
        auditor.check()
    assert Decimal(trader.done("GET", "/fapi/v3/balance")[0]["availableBalance"]) >= 0
