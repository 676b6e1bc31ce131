"""Other projects' clients trade on the lab's Binance, each from an environment of its own, with their own signing.

Plain and conditional orders are placed, changed, asked for and cancelled; what the clients say of orders, fills,
balance and positions is held against the account itself.
"""

from decimal import Decimal
from typing import Any

import pytest

from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.desk import LAB_KEY, LAB_SECRET
from perpscope.lab.accounts.orders import AlgoStatus, Status
from perpscope.lab.ledger import Ledger
from perpscope.lab.run import serve_market
from tests.peers.meeting import SEED, START_NS, environment, interpreter, told

_BASES = ("BTC", "ETH")
_LISTENS_S = 1.5  # before the trading begins: a stream tells nothing of before


class Traded:
    """What a client said, and whose account it is about."""

    def __init__(self, seen: dict[str, Any], account: Account, ledger: Ledger) -> None:
        self.asked = seen["asked"]
        self.told = seen["told"]
        self.spoken: dict[str, Any] = seen.get("spoken", {})
        self.account = account
        self.ledger = ledger
        self.fees = sum(float(fill.fee) for fill in account.fills)
        self.realised = sum(float(fill.realised) for fill in account.fills)
        first = account.fills[0].order_id
        self.bought = [fill for fill in account.fills if fill.order_id == first]  # several, if it walked the book
        self.bought_fee = sum((fill.fee for fill in self.bought), Decimal())

    @property
    def bought_at(self) -> float:
        """What the first order paid for a unit, quote units."""
        return float(sum(fill.price * fill.size for fill in self.bought) / sum(fill.size for fill in self.bought))


async def _traded(peer: str) -> Traded:
    """Let a client trade with the lab's own key. The market is at its own time; the client knows the machine's."""
    python = interpreter(peer)
    async with await serve_market(SEED, symbols=_BASES, ts_start=START_NS) as lab:
        ask = {
            "rest": lab.rest_url,
            "websocket": lab.websocket_url,
            "venue": "binance",
            "bases": _BASES,
            "seconds": _LISTENS_S,
            "key": LAB_KEY,
            "secret": LAB_SECRET,
        }
        seen = await told(python, f"{peer.replace('-', '_')}_trading", ask, environment())
        return Traded(seen, lab.accounts.by_key[LAB_KEY], lab.ledger)


def _check_account(account: Account) -> None:
    """What the programs do: two market orders filled, limit orders cancelled, conditional ones cancelled."""
    orders = list(account.orders.values())
    filled = [order for order in orders if order.status is Status.FILLED]
    assert [order.size for order in filled] == [Decimal("0.03"), Decimal("0.03")]
    assert {order.status for order in orders} == {Status.FILLED, Status.CANCELED}
    assert {algo.status for algo in account.algos.values()} == {AlgoStatus.CANCELED}
    assert list(account.positions()) == []
    assert account.wallet == account.deposited + sum(row.amount for row in account.incomes)


async def test_ccxt_trades_on_the_lab() -> None:
    """Protects the issue's promise: ccxt places, changes, cancels and fetches orders, plain and conditional."""
    traded = await _traded("ccxt")
    _check_account(traded.account)
    seen, fills = traded.asked, traded.account.fills
    assert seen["placed"]["status"] == seen["edited"]["status"] == seen["fetched"]["status"] == "open"
    assert seen["placed"]["id"] == seen["fetched"]["id"] == seen["open"][0]["id"] == seen["cancelled"]["id"]
    assert (seen["fetched"]["amount"], seen["open"][0]["amount"]) == (0.01, 0.02)
    assert seen["cancelled"]["status"] == "canceled"
    assert seen["cancelled twice"].startswith("OrderNotFound")
    assert "-2019" in seen["too much"], "ccxt knows its own word for this code only at Binance's own address"
    assert seen["bought"]["status"] == seen["bought, fetched"]["status"] == "closed"
    assert seen["bought, fetched"]["average"] == pytest.approx(traded.bought_at)
    position = seen["positions"][0]
    assert (position["contracts"], position["side"]) == (0.03, "long")
    assert position["entryPrice"] == pytest.approx(traded.bought_at)
    assert seen["balance"]["USDT"]["total"] == pytest.approx(10_000 - float(traded.bought_fee), abs=0.5)
    assert seen["stop, fetched"]["id"] == seen["stop"]["id"]
    assert {row["id"] for row in seen["conditional"]} == {seen["stop"]["id"], seen["take"]["id"]}
    assert seen["stop"]["triggerPrice"] == pytest.approx(traded.bought_at * 0.97, rel=0.01)
    assert [row["amount"] for row in seen["trades"]] == [float(fill.size) for fill in fills]
    assert [row["side"] for row in seen["trades"]] == [fill.side.name.lower() for fill in fills]
    assert sum(row["fee"]["cost"] for row in seen["trades"]) == pytest.approx(traded.fees)
    assert seen["closed"] == []
    assert seen["ended"]["USDT"]["total"] == pytest.approx(10_000 - traded.fees + traded.realised)
    assert traded.told["errors"] == []
    assert {row["id"] for row in traded.told["fills"]} == {str(fill.id) for fill in fills}
    assert {row["id"] for row in traded.told["orders"]} >= {str(order) for order in traded.account.orders}
    assert traded.told["balances"][-1]["USDT"]["total"] == pytest.approx(float(traded.account.wallet))


def _unknown(found: object) -> list[str]:
    """Fields that the SDK has no name for."""
    if isinstance(found, dict):
        own = [f"{name}: {found}" for name in found.get("additional_properties") or ()]
        return own + [one for value in found.values() for one in _unknown(value)]
    return [one for value in found for one in _unknown(value)] if isinstance(found, list) else []


async def test_binance_sdk_trades_on_the_lab() -> None:
    """Protects the issue's promise: the venue's own models take every reply and event of REST, socket and stream."""
    traded = await _traded("binance-sdk")
    _check_account(traded.account)
    seen, spoken, account = traded.asked, traded.spoken, traded.account
    assert _unknown([seen, spoken, traded.told]) == []
    assert seen["placed"]["orderId"] == seen["queried"]["orderId"] == seen["open"][0]["orderId"]
    assert (seen["queried"]["origQty"], seen["modified"]["origQty"]) == ("0.010", "0.020")
    assert seen["cancelled"]["status"] == "CANCELED"
    assert "-2011" in seen["cancelled twice"]
    assert (seen["bought"]["status"], seen["sold"]["status"]) == ("FILLED", "FILLED")
    assert {row["positionAmt"] for row in (*seen["position"], *seen["position v2"])} == {"0.030"}
    wallet = Decimal(10_000) - traded.bought_fee
    for balance in (seen["account"]["totalWalletBalance"], seen["account v2"]["totalWalletBalance"]):
        assert Decimal(balance) == wallet
    assert Decimal(seen["balance"][0]["balance"]) == wallet
    assert Decimal(seen["ended"][0]["balance"]) == account.wallet
    assert seen["stop, queried"]["algoId"] == seen["stop"]["algoId"] == seen["stop, cancelled"]["algoId"]
    assert len(seen["conditional"]) == 3
    assert {row["algoStatus"] for row in seen["all conditional"]} == {"CANCELED"}
    assert [Decimal(row["income"]) for row in seen["income"]] == [row.amount for row in account.incomes]
    assert [row["orderId"] for row in seen["trades"]] == [fill.order_id for fill in account.fills]
    assert spoken["placed"]["result"]["orderId"] == spoken["cancelled"]["result"]["orderId"]
    assert spoken["stop, cancelled"]["result"]["code"] == "200"
    assert Decimal(spoken["balance"]["result"][0]["balance"]) == account.wallet
    orders = [event["o"] for event in traded.told if "c" in event.get("o", {})]
    assert {row["i"] for row in orders} >= {seen["placed"]["orderId"], seen["sold"]["orderId"]}
    assert {row["t"] for row in orders if row["x"] == "TRADE"} == {fill.id for fill in account.fills}
    assert any("aid" in event.get("o", {}) for event in traded.told)
    assert any("ac" in event for event in traded.told)
    opened = {mark.connection.partition("/")[0] for mark in traded.ledger.marks}
    assert {"private", "ws-fapi"} <= opened
