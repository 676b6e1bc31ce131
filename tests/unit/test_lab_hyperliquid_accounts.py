"""The invented accounts of the lab's Hyperliquid: both sides of every trade, liquidations, liquidation prices.

The laws are the venue's documentation; the one worked figure is its own sample of `clearinghouseState`.
"""

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from perpscope.lab.rehearsal import Rehearsal
from perpscope.lab.wire.hyperliquid.accounts import BACKSTOP, CROWD, MAKERS, TRADERS
from perpscope.lab.wire.hyperliquid.listings import maintenance
from perpscope.lab.wire.hyperliquid.margin import liquidation_price
from perpscope.model.market import PositionSide

Json: TypeAlias = dict[str, Any]  # decoded; the shape is what the test is about
_EVERYBODY = (*MAKERS, *TRADERS, *CROWD, BACKSTOP)


@pytest.fixture(scope="module")
def stage() -> Rehearsal:
    """A quarter of an hour of a lively market, all fills heard."""
    stage = Rehearsal("hyperliquid", 7, ("BTC", "ETH"), activity=10.0)
    stage.wants("trades:BTC", "trades:ETH", f"userEvents:{MAKERS[0]}", *(f"userFills:{user}" for user in _EVERYBODY))
    stage.run(900.0)
    return stage


def _fills(stage: Rehearsal, *users: str) -> dict[str, list[Json]]:
    """By account, oldest first, as streamed."""
    frames = {user: [json.loads(payload)["data"] for payload in stage.payloads(f"userFills:{user}")] for user in users}
    assert all(frame["user"] == user for user, heard in frames.items() for frame in heard)
    return {user: [fill for frame in heard for fill in frame["fills"]] for user, heard in frames.items()}


def _state(stage: Rehearsal, user: str) -> Json:
    stage.now_s += 1.0
    state: Json = json.loads(
        stage.post("/info", json.dumps({"type": "clearinghouseState", "user": user}).encode()).body
    )
    return state


def _asked(stage: Rehearsal, user: str) -> list[Json]:
    stage.now_s += 60.0
    rows: list[Json] = json.loads(stage.post("/info", json.dumps({"type": "userFills", "user": user}).encode()).body)
    return rows


def test_both_sides_of_a_trade_have_a_fill(stage: Rehearsal) -> None:
    """Protects joins by tid: buyer and seller of a row each have a fill of its price and size, one of them crossed."""
    sides: dict[tuple[str, int], dict[str, tuple[str, Json]]] = defaultdict(dict)
    for user, fills in _fills(stage, *_EVERYBODY).items():
        for fill in fills:
            sides[fill["coin"], fill["tid"]][fill["side"]] = user, fill
    frames = [json.loads(payload) for coin in ("BTC", "ETH") for payload in stage.payloads(f"trades:{coin}")]
    rows = [row for frame in frames for row in frame["data"]]
    assert len(rows) > 3000
    for row in rows:
        own = sides[row["coin"], row["tid"]]
        assert own
        for side, user in zip("BA", row["users"], strict=True):
            if side in own:  # whoever is liquidated has an address of their own
                of, fill = own[side]
                assert of == user
                assert all(fill[name] == row[name] for name in ("px", "sz", "time", "hash"))
                assert fill["crossed"] is (side == row["side"])


def test_positions_follow_from_fills(stage: Rehearsal) -> None:
    """Protects `startPosition`: each fill begins where the one before ended, and the state shows where the last did."""
    for user, fills in _fills(stage, *MAKERS, *TRADERS).items():
        held = {row["position"]["coin"]: float(row["position"]["szi"]) for row in _state(stage, user)["assetPositions"]}
        for coin in ("BTC", "ETH"):
            own = [fill for fill in fills if fill["coin"] == coin]
            ends = [
                float(fill["startPosition"]) + float(fill["sz"]) * (1 if fill["side"] == "B" else -1) for fill in own
            ]
            for end, following in zip(ends, own[1:], strict=False):
                assert float(following["startPosition"]) == pytest.approx(end, abs=1e-6)
            assert held.get(coin, 0.0) == pytest.approx(ends[-1], abs=1e-6)


def test_liquidations_show_on_the_makers_fills(stage: Rehearsal) -> None:
    """Protects the sampled feed: a maker's `A` is a short closed by force; sizes by hash add up to the market's own."""
    found: dict[tuple[str, str, str], list[Json]] = defaultdict(list)
    for fills in _fills(stage, *MAKERS, *CROWD, BACKSTOP).values():
        for fill in fills:
            if "liquidation" in fill:
                found[fill["coin"], fill["hash"], fill["liquidation"]["liquidatedUser"]].append(fill)
    happened = {
        coin: sorted((row.position_side.value, round(row.size, 8)) for row in stage.publisher.stand(coin).liquidations)
        for coin in ("BTC", "ETH")
    }
    told: dict[str, list[tuple[str, float]]] = {"BTC": [], "ETH": []}
    for (coin, _, _), fills in found.items():
        sides = {fill["side"] for fill in fills}
        assert len(sides) == 1
        assert not any(fill["crossed"] for fill in fills)
        side = PositionSide.SHORT if sides == {"A"} else PositionSide.LONG
        told[coin].append((side.value, round(sum(float(fill["sz"]) for fill in fills), 8)))
    assert {coin: sorted(rows) for coin, rows in told.items()} == happened
    assert sum(map(len, happened.values())) > 50
    assert any(len(fills) > 1 for fills in found.values())


def test_the_liquidated_have_fills_of_their_own(stage: Rehearsal) -> None:
    """Protects the other reading: the liquidated user's fills close the whole position, taking, at a loss."""
    marked = [fill for fills in _fills(stage, *MAKERS, BACKSTOP).values() for fill in fills if "liquidation" in fill]
    for fill in marked[-60:]:
        user, method = fill["liquidation"]["liquidatedUser"], fill["liquidation"]["method"]
        own = _asked(stage, user)[::-1]
        assert all(row["liquidation"] == fill["liquidation"] and row["crossed"] for row in own)
        assert float(own[0]["startPosition"]) == pytest.approx(
            sum(float(row["sz"]) * (1 if row["side"] == "A" else -1) for row in own)
        )
        held = "Long" if own[0]["side"] == "A" else "Short"
        expected = f"Close {held}" if method == "market" else f"Liquidated Cross {held}"
        assert {row["dir"] for row in own} == {expected}
        assert all(float(row["closedPnl"]) < 0 for row in own)
        assert _state(stage, user)["assetPositions"] == []


def test_some_go_to_the_backstop_vault(stage: Rehearsal) -> None:
    """Protects the second method: few, all of them the vault's, which no maker sees."""
    fills = _fills(stage, *MAKERS, *TRADERS, *CROWD, BACKSTOP)
    methods = {user: {fill.get("liquidation", {}).get("method") for fill in rows} for user, rows in fills.items()}
    assert all("backstop" not in seen for user, seen in methods.items() if user != BACKSTOP)
    assert methods[BACKSTOP] == {"backstop"}


def test_ordinary_fills_are_most_of_a_makers(stage: Rehearsal) -> None:
    """Protects plausibility: a few per cent of a maker's fills are liquidations; makers pay less than takers."""
    fills = [fill for rows in _fills(stage, *MAKERS).values() for fill in rows]
    share = sum("liquidation" in fill for fill in fills) / len(fills)
    assert 0.002 < share < 0.15
    for fill in fills[:500]:
        rate = 0.00045 if fill["crossed"] else 0.00015
        assert float(fill["fee"]) == pytest.approx(float(fill["px"]) * float(fill["sz"]) * rate, abs=1e-5)


def test_user_events_carry_the_same_fills(stage: Rehearsal) -> None:
    """Protects `userEvents`: the channel is called `user`, and its fills are those of `userFills`."""
    frames = [json.loads(payload) for payload in stage.payloads(f"userEvents:{MAKERS[0]}")]
    assert {frame["channel"] for frame in frames} == {"user"}
    assert [fill for frame in frames for fill in frame["data"]["fills"]] == _fills(stage, MAKERS[0])[MAKERS[0]]


@pytest.mark.unmeasured
def test_liquidations_that_can_be_watched_are_counted(stage: Rehearsal) -> None:
    """Protects the ledger's measure of the sampled feed: those a large account took part in."""
    seen = {
        fill["hash"] for fills in _fills(stage, *MAKERS, *TRADERS).values() for fill in fills if "liquidation" in fill
    }
    assert stage.counts["LiquidationPublished"] == len(seen) < stage.counts["Liquidation"]


# margin --------------------------------------------------------------------------------------------------------------


def test_liquidation_price_of_the_documented_sample() -> None:
    """Protects the formula: the venue's sample, 0.0335 ETH isolated with 4.967826 USDC at 50x, within its rounding."""
    value, szi, margin = 100.02765, 0.0335, 4.967826
    price = liquidation_price(value / szi, szi, margin - value / 100, 100.0)
    assert price == pytest.approx(2866.26936529, abs=2e-5)


def test_equity_is_the_maintenance_margin_at_the_liquidation_price(stage: Rehearsal) -> None:
    """Protects `liquidationPx`: there the account, or isolated position, is worth just its maintenance margin."""
    checked = {"cross": 0, "isolated": 0}
    for user in (*MAKERS, *TRADERS, *CROWD[:10]):
        state = _state(stage, user)
        held = [row["position"] for row in state["assetPositions"]]
        for position in held:
            if position["liquidationPx"] is None:
                continue
            kind, szi, value = position["leverage"]["type"], float(position["szi"]), float(position["positionValue"])
            price, mark = float(position["liquidationPx"]), value / abs(szi)
            rate, _ = maintenance(position["coin"], value)
            assert (price < mark) is (szi > 0)
            if kind == "cross":
                equity = float(state["crossMarginSummary"]["accountValue"])
                others = float(state["crossMaintenanceMarginUsed"]) - rate * value
            else:
                equity, others = float(position["marginUsed"]), 0.0
            at_price = equity + szi * (price - mark)
            assert at_price == pytest.approx(rate * abs(szi) * price + others, rel=1e-4, abs=0.01)
            checked[kind] += 1
    assert min(checked.values()) > 1


def test_summaries_add_up(stage: Rehearsal) -> None:
    """Protects account values: cash and positions at the mark, cross and isolated, as the venue's sample adds them."""
    for user in TRADERS:
        state = _state(stage, user)
        cross, whole = state["crossMarginSummary"], state["marginSummary"]
        positions = [row["position"] for row in state["assetPositions"]]
        signed = {id(row): float(row["positionValue"]) * (1 if float(row["szi"]) > 0 else -1) for row in positions}
        own = [row for row in positions if row["leverage"]["type"] == "cross"]
        apart = [row for row in positions if row["leverage"]["type"] == "isolated"]
        assert float(cross["accountValue"]) == pytest.approx(
            float(cross["totalRawUsd"]) + sum(signed[id(row)] for row in own), abs=0.01
        )
        assert float(whole["accountValue"]) - float(cross["accountValue"]) == pytest.approx(
            sum(float(row["marginUsed"]) for row in apart), abs=0.01
        )
        for row in apart:
            assert float(row["marginUsed"]) == pytest.approx(
                float(row["leverage"]["rawUsd"]) + signed[id(row)], abs=0.01
            )
        assert float(whole["totalNtlPos"]) == pytest.approx(sum(float(row["positionValue"]) for row in positions))


@pytest.mark.parametrize(
    ("coin", "notional", "margin"),
    [
        pytest.param("BTC", 1_000_000.0, 12_500.0, id="first-tier"),
        pytest.param("BTC", 150_000_000.0, 1_875_000.0, id="at-the-bound"),
        pytest.param("BTC", 200_000_000.0, 3_125_000.0, id="second-tier"),
        pytest.param("ETH", 1_000_000.0, 20_000.0, id="eth"),
    ],
)
def test_maintenance_margin_is_half_the_initial_one(coin: str, notional: float, margin: float) -> None:
    """Protects tiers: half the inverse of the tier's leverage, and the deduction joins the tiers without a step."""
    rate, deduction = maintenance(coin, notional)
    assert notional * rate - deduction == pytest.approx(margin)


def test_states_are_told_to_those_who_watch(stage: Rehearsal) -> None:
    """Protects streams of accounts: the whole state after the acknowledgement, and each five seconds again."""
    talk = stage.dialogue("/ws")
    wish = {"method": "subscribe", "subscription": {"type": "clearinghouseState", "user": TRADERS[0]}}
    _, first = (json.loads(frame) for frame in stage.say(talk, json.dumps(wish).encode()))
    stage.run(11.0)
    frames = [first, *(json.loads(payload) for payload in stage.payloads(f"clearinghouseState:{TRADERS[0]}"))]
    times = [frame["data"]["clearinghouseState"]["time"] for frame in frames]
    assert {frame["data"]["user"] for frame in frames} == {TRADERS[0]}
    assert [after - before for before, after in pairwise(times)][1:] == [pytest.approx(5025, abs=150)]


@pytest.mark.unmeasured
def test_a_liquidation_fill_has_the_fields_of_a_recorded_one(recordings: Path, stage: Rehearsal) -> None:
    """Protects the wire: the fill of a maker who met a liquidation in June 2026, in names and types."""
    file = recordings / "rest" / "payloads" / "hyperliquid" / "ws_user_fill_liquidation.json"
    recorded = json.loads(file.read_text("utf-8"))["data"]["fills"][0]
    ours = next(fill for fill in _fills(stage, MAKERS[0])[MAKERS[0]] if "liquidation" in fill)
    assert recorded.keys() - {"cloid"} == ours.keys()
    assert {name: type(value) for name, value in ours.items()}.items() <= {
        name: type(value) for name, value in recorded.items()
    }.items()
    assert recorded["liquidation"].keys() == ours["liquidation"].keys()
    assert ours["side"] in "AB"
    assert recorded["side"] == "A"
