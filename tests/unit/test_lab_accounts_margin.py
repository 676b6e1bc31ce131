"""Margin on the lab's Binance: what positions and orders need, funding, liquidation, and what an owner may choose."""

from decimal import Decimal

import pytest
from tests.trading import START_MS, Customer, HandMarket

from perpscope.analytics.margin import Leg, funding_paid, liquidation_price, shared_bankruptcy_price, triggers
from perpscope.analytics.margin_cross import Holding, free_balance, nearest
from perpscope.lab.quotations import Funding
from perpscope.lab.wire.binance.private_routes import tiers
from perpscope.model.market import PositionSide, Side

_HOURS_8 = 28_800


@pytest.fixture
def market() -> HandMarket:
    """BTC at 50000, ETH at 2500."""
    return HandMarket()


@pytest.fixture
def trader(market: HandMarket) -> Customer:
    """Somebody with ten thousand."""
    return Customer(market)


def _account(trader: Customer) -> dict[str, Decimal]:
    told = trader.done("GET", "/fapi/v3/account")
    return {name: Decimal(value) for name, value in told.items() if isinstance(value, str)}


def test_account_adds_up(market: HandMarket, trader: Customer) -> None:
    """Protects sizing: initial margin is value ÷ leverage at the mark, and what is left is available."""
    trader.done("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=10)
    trader.place("BUY", "0.5")
    market.mark(51_000.0)
    sums = _account(trader)
    profit = Decimal("0.5") * (Decimal(51_000) - Decimal("50000.1"))
    fee = Decimal("0.5") * Decimal("50000.1") * Decimal("0.0005")
    assert sums["totalWalletBalance"] == 10_000 - fee
    assert sums["totalUnrealizedProfit"] == profit
    assert sums["totalPositionInitialMargin"] == Decimal(2550)
    assert sums["availableBalance"] == 10_000 - fee + profit - 2550
    assert sums["totalMaintMargin"] == Decimal("102"), "25500 in the lowest bracket, 0.4 %"
    assert sums["maxWithdrawAmount"] == 10_000 - fee - 2550


def test_open_orders_need_margin_beyond_what_they_close(trader: Customer) -> None:
    """Protects sizing: bids and asks of one contract need the larger of both, positions counted; exits need none."""
    trader.done("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=10)
    trader.place("BUY", "0.1")
    bid, ask = trader.place("BUY", "0.1", "49000"), trader.place("SELL", "0.2", "51000")
    needed = _account(trader)["totalOpenOrderInitialMargin"]
    assert needed == Decimal(490), "|0.1 × 50000 + 4900| ÷ 10 less the position's 500; the asks come to 520"
    trader.done("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=bid["orderId"])
    assert _account(trader)["totalOpenOrderInitialMargin"] == Decimal(20)
    trader.done("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=ask["orderId"])
    trader.place("SELL", "0.1", "51000", reduceOnly=True)
    assert _account(trader)["totalOpenOrderInitialMargin"] == 0


def test_leverage_is_bounded_by_brackets_and_margin(trader: Customer) -> None:
    """Protects leverage: told, kept, refused where the position is too large for it or margin would not suffice."""
    assert trader.done("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=50)["maxNotionalValue"] == "8000000"
    assert trader.events("ACCOUNT_CONFIG_UPDATE")[0]["ac"] == {"s": "BTCUSDT", "l": 50}
    trader.place("BUY", "2")
    assert trader.refused("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=125) == -2027
    assert trader.refused("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=5) == -2028
    assert trader.position()["leverage"] == "50"
    assert trader.done("GET", "/fapi/v1/symbolConfig", symbol="BTCUSDT")[0]["leverage"] == 50


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_cross_position_is_liquidated_at_the_margin_engines_price(market: HandMarket, side: str) -> None:
    """Protects liquidation: REST names the engine's price; a cent before it nothing happens, at it everything ends."""
    trader = Customer(market, "3000")
    trader.done("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=50)
    trader.place(side, "1")
    rests = trader.place(side, "0.001", "49000" if side == "BUY" else "51000")["orderId"]
    position = trader.position()
    leg = Leg(PositionSide.LONG if side == "BUY" else PositionSide.SHORT, 1.0, float(position["entryPrice"]))
    table = tiers(market.listings[0])
    balance = float(trader.wallet())
    expected = nearest(triggers([leg], balance, [table], Holding((leg,), 5e4, table).terms, 50_000.0), 50_000.0)
    assert expected is not None
    assert float(position["liquidationPrice"]) == pytest.approx(expected.price, abs=1e-7)
    step = 0.01 if side == "BUY" else -0.01
    market.mark(expected.price + step)
    assert trader.position()["positionAmt"] == ("1.000" if side == "BUY" else "-1.000")
    market.mark(expected.price - step)
    assert trader.position()["positionAmt"] == "0.000"
    assert trader.order(rests)["status"] == "CANCELED"
    forced = trader.done("GET", "/fapi/v1/forceOrders")[0]
    assert forced["clientOrderId"].startswith("autoclose-")
    told = [e["o"] for e in trader.events("ORDER_TRADE_UPDATE") if e["o"]["c"] == forced["clientOrderId"]]
    assert told[0]["x"] == "NEW"
    assert {row["x"] for row in told[1:]} == {"CALCULATED"}
    bankrupt = shared_bankruptcy_price([leg], balance)
    assert bankrupt is not None
    assert float(forced["price"]) == pytest.approx(bankrupt, abs=0.1)
    assert trader.wallet() >= 0
    assert sum(trader.income("INSURANCE_CLEAR")) <= 0
    assert trader.events("ACCOUNT_UPDATE")[-1]["a"]["m"] == "INSURANCE_CLEAR"


def test_bankrupt_account_ends_at_zero(market: HandMarket) -> None:
    """Protects against debts: a market that jumps beyond the bankruptcy price costs the whole wallet, and no more."""
    trader = Customer(market, "3000")
    trader.done("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=50)
    trader.place("BUY", "1")
    market.move(40_000.0)
    assert trader.position()["positionAmt"] == "0.000"
    assert trader.wallet() == 0
    assert sum(trader.income("INSURANCE_CLEAR")) > 0, "the fund pays what fee and rounding took beyond the margin"


def test_cross_account_loses_its_worst_position_first(market: HandMarket) -> None:
    """Protects cross liquidation: positions go one after another until margin suffices; the others stay."""
    trader = Customer(market, "6000")
    for symbol in ("BTCUSDT", "ETHUSDT"):
        trader.done("POST", "/fapi/v1/leverage", symbol=symbol, leverage=50)
    trader.place("BUY", "1")
    trader.place("BUY", "1", symbol="ETHUSDT")
    table = tiers(market.listings[0])
    eth = Holding((Leg(PositionSide.LONG, 1.0, float(trader.position("ETHUSDT")["entryPrice"])),), 2_500.0, table)
    leg = Leg(PositionSide.LONG, 1.0, float(trader.position()["entryPrice"]))
    balance = free_balance(float(trader.wallet()), [eth])
    expected = liquidation_price(leg, balance, table)
    assert expected is not None
    assert float(trader.position()["liquidationPrice"]) == pytest.approx(expected, abs=1e-6)
    market.move(round(expected - 1, 1))
    assert trader.position()["positionAmt"] == "0.000"
    assert trader.position("ETHUSDT")["positionAmt"] == "1.000"
    assert trader.wallet() >= 0


def test_isolated_position_is_liquidated_alone(market: HandMarket, trader: Customer) -> None:
    """Protects isolated margin: what was set aside is all that can be lost, and the engine's price is the trigger."""
    trader.done("POST", "/fapi/v1/marginType", symbol="BTCUSDT", marginType="ISOLATED")
    trader.place("BUY", "1")
    position = trader.position()
    aside = Decimal("50000.1") / 20
    assert Decimal(position["isolatedWallet"]) == aside
    leg, table = Leg(PositionSide.LONG, 1.0, 50_000.1), tiers(market.listings[0])
    expected = liquidation_price(leg, float(aside), table)
    assert expected is not None
    assert float(position["liquidationPrice"]) == pytest.approx(expected, abs=1e-7)
    before = trader.wallet()
    rests = trader.place("SELL", "0.5", "52000", reduceOnly=True)["orderId"]
    market.mark(expected + 0.01)
    assert trader.position()["positionAmt"] == "1.000"
    market.move(round(expected - 1, 1))
    assert trader.position()["positionAmt"] == "0.000"
    assert trader.order(rests)["status"] == "CANCELED"
    assert trader.position()["isolatedWallet"] == "0.00000000"
    assert before - trader.wallet() <= aside


def test_isolated_margin_is_added_and_taken_back(market: HandMarket, trader: Customer) -> None:
    """Protects positionMargin: it moves the liquidation price, is told, and only what is not needed comes back."""
    asked = {"symbol": "BTCUSDT"}
    trader.done("POST", "/fapi/v1/marginType", **asked, marginType="ISOLATED")
    assert trader.refused("POST", "/fapi/v1/positionMargin", **asked, amount="1", type="1") == -4054
    trader.place("BUY", "1")
    before = Decimal(trader.position()["liquidationPrice"])
    trader.done("POST", "/fapi/v1/positionMargin", **asked, amount="1000", type="1")
    assert Decimal(trader.position()["liquidationPrice"]) < before - 1000
    assert trader.events("ACCOUNT_UPDATE")[-1]["a"]["m"] == "MARGIN_TRANSFER"
    assert trader.refused("POST", "/fapi/v1/positionMargin", **asked, amount="1000.2", type="2") == -4051
    trader.done("POST", "/fapi/v1/positionMargin", **asked, amount="999", type="2")
    assert trader.refused("POST", "/fapi/v1/positionMargin", **asked, amount="9000", type="1") == -4050
    assert trader.refused("POST", "/fapi/v1/positionMargin", **asked, amount="1", type="1", positionSide="LONG") == (
        -4061
    )
    moved = trader.done("GET", "/fapi/v1/positionMargin/history", **asked)
    assert [(row["type"], row["amount"]) for row in moved] == [(1, "1000.00000000"), (2, "-999.00000000")]
    assert trader.refused("POST", "/fapi/v1/leverage", **asked, leverage=10) == -4161
    assert trader.refused("POST", "/fapi/v1/marginType", **asked, marginType="CROSSED") == -4048
    trader.place("SELL", "0.4")
    assert Decimal(trader.position()["isolatedWallet"]) == ((Decimal("50000.1") / 20 + 1) * Decimal("0.6"))
    assert market.private.accounts.by_key["customer"].cross_wallet > 0


def test_margin_type_is_told_and_can_be_taken_back(trader: Customer) -> None:
    """Protects settings: isolated and cross again, each told, sides that were once held included."""
    trader.place("BUY", "0.1")
    trader.place("SELL", "0.1")
    for kind, told in (("ISOLATED", "isolated"), ("CROSSED", "cross")):
        trader.done("POST", "/fapi/v1/marginType", symbol="BTCUSDT", marginType=kind)
        event = trader.events("ACCOUNT_UPDATE")[-1]["a"]
        assert (event["m"], event["P"][0]["mt"]) == ("MARGIN_TYPE_CHANGE", told)
        assert trader.position()["marginType"] == told


def test_settings_wait_for_orders_to_be_gone(trader: Customer) -> None:
    """Protects settings: margin type and mode do not change under open orders."""
    trader.place("BUY", "0.1", "49000")
    assert trader.refused("POST", "/fapi/v1/marginType", symbol="BTCUSDT", marginType="ISOLATED") == -4047
    assert trader.refused("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true") == -4067
    trader.done("POST", "/fapi/v1/multiAssetsMargin", multiAssetsMargin="true")
    assert trader.done("GET", "/fapi/v1/multiAssetsMargin") == {"multiAssetsMargin": True}
    assert trader.events("ACCOUNT_CONFIG_UPDATE")[-1]["ai"] == {"j": True}
    assert trader.done("GET", "/fapi/v1/positionSide/dual") == {"dualSidePosition": False}


def test_funding_is_paid_at_its_hour(market: HandMarket, trader: Customer) -> None:
    """Protects funding: longs pay what shorts get, at the published rate and mark, once, as income and as an event."""
    other = Customer(market, "10000", "other")
    trader.place("BUY", "1")
    other.place("SELL", "1")
    before, others = trader.wallet(), other.wallet()
    due_ms = START_MS + _HOURS_8 * 1000
    market.paid.append(Funding(due_ms * 1_000_000, 0.0002, 51_000.0, 0.0))
    trader.stay(_HOURS_8 - 1)
    market.mark(51_000.0)
    assert trader.wallet() == before
    market.wait(1)
    market.mark(51_000.0)
    market.wait(1)
    market.mark(51_000.0)
    paid = Decimal("10.2")
    assert float(paid) == pytest.approx(funding_paid(PositionSide.LONG, 1.0, 51_000.0, 0.0002))
    assert before - trader.wallet() == paid == other.wallet() - others
    assert trader.income("FUNDING_FEE") == [-paid]
    told = trader.events("ACCOUNT_UPDATE")[-1]["a"]
    assert (told["m"], told["B"][0]["bc"], told["P"]) == ("FUNDING_FEE", "-10.20000000", [])


def test_funding_of_an_isolated_position_comes_out_of_its_margin(market: HandMarket, trader: Customer) -> None:
    """Protects isolated margin: funding wears it down; without a published payment the last rate and mark count."""
    trader.done("POST", "/fapi/v1/marginType", symbol="BTCUSDT", marginType="ISOLATED")
    trader.place("BUY", "1")
    aside = Decimal(trader.position()["isolatedWallet"])
    market.mark(50_000.0, rate=0.0003)
    trader.stay(_HOURS_8)
    market.mark(50_500.0)
    assert aside - Decimal(trader.position()["isolatedWallet"]) == Decimal(15)
    told = trader.events("ACCOUNT_UPDATE")[-1]["a"]
    assert (told["m"], told["P"][0]["iw"]) == ("FUNDING_FEE", str(Decimal(aside - 15).quantize(Decimal("1e-8"))))


def test_margin_call_comes_once_before_the_end(market: HandMarket) -> None:
    """Protects warnings: one when maintenance margin nears equity, again only after it was well in between."""
    trader = Customer(market, "3000")
    trader.done("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=50)
    trader.place("BUY", "1")
    for price in (47_230.0, 47_225.0, 49_000.0, 47_230.0):
        market.mark(price)
    calls = trader.events("MARGIN_CALL")
    assert len(calls) == 2
    assert calls[0]["p"][0]["s"] == "BTCUSDT"
    assert Decimal(calls[0]["cw"]) == trader.wallet()


def test_exchange_can_deleverage_settle_and_move_money(market: HandMarket, trader: Customer) -> None:
    """Protects forced exits of other kinds: their client ids, at the mark, siblings gone; and transfers are income."""
    trader.place("BUY", "1")
    rests = trader.place("SELL", "1", "51000", reduceOnly=True)["orderId"]
    market.private.accounts.deleverage(trader.account, "BTCUSDT")
    forced = trader.done("GET", "/fapi/v1/forceOrders", autoCloseType="ADL")[0]
    assert (forced["clientOrderId"], forced["avgPrice"]) == ("adl_autoclose", "50000.000000")
    assert trader.order(rests)["status"] == "EXPIRED"
    trader.place("SELL", "1")
    far = trader.place("BUY", "0.1", "49000")["orderId"]
    market.private.accounts.closing.settle("BTCUSDT")
    last = trader.events("ORDER_TRADE_UPDATE")[-1]["o"]
    assert last["c"].startswith("settlement_autoclose-")
    assert trader.order(far)["status"] == "EXPIRED"
    before = trader.wallet()
    market.private.accounts.transfer(trader.account, Decimal("-250.5"))
    assert trader.wallet() == before - Decimal("250.5")
    assert trader.income("TRANSFER") == [Decimal("-250.5")]
    assert trader.events("ACCOUNT_UPDATE")[-1]["a"]["m"] == "WITHDRAW"


def test_account_routes_agree_with_one_another(market: HandMarket, trader: Customer) -> None:
    """Protects reconciliation: both versions of account, balance and positions tell the same of the same moment."""
    trader.place("BUY", "0.3")
    trader.place("SELL", "1", "2600", symbol="ETHUSDT")
    market.trade(Side.BUY, 2_700.0, 0.4, "ETHUSDT")
    three, two = trader.done("GET", "/fapi/v3/account"), trader.done("GET", "/fapi/v2/account")
    shared = {name for name in three if isinstance(three[name], str)}
    assert {name: three[name] for name in shared} == {name: two[name] for name in shared}
    held = {row["symbol"]: row["positionAmt"] for row in three["positions"]}
    assert held == {"BTCUSDT": "0.300", "ETHUSDT": "-0.400"}
    assert held == {row["symbol"]: row["positionAmt"] for row in two["positions"]}
    assert held == {row["symbol"]: row["positionAmt"] for row in trader.done("GET", "/fapi/v3/positionRisk")}
    assert trader.done("GET", "/fapi/v2/balance")[0]["balance"] == three["totalWalletBalance"]
    assert trader.done("GET", "/fapi/v1/commissionRate", symbol="BTCUSDT")["takerCommissionRate"] == "0.0005"
    for path in ("apiTradingStatus", "feeBurn", "accountConfig", "adlQuantile", "leverageBracket"):
        assert trader.done("GET", f"/fapi/v1/{path}")
    assert trader.done("GET", "/sapi/v1/capital/config/getall")[0]["coin"] == "USDT"
    assert trader.done("GET", "/sapi/v1/margin/allPairs") == []
