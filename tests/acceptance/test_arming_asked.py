"""`trade arm` against the lab as if it were a real exchange: what it asks the venue, and what it refuses."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from perpscope.app import trading_mode
from perpscope.app.trade.arming import Asked, armed_until
from perpscope.app.trade.arming_asked import armed
from perpscope.errors import ConfigError, PerpscopeError
from perpscope.lab.accounts.account import KeyRights
from perpscope.lab.accounts.desk import LAB_KEY, LAB_SECRET
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab
from perpscope.model.instrument import InstrumentId
from perpscope.model.run import RunKind
from perpscope.settings import Settings, Trade
from perpscope.stores.journal import JournalReader, place

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
ASKED = Asked(strategy="burst", typed="BTCUSDT", is_live=True, override="a test", who="kim by command")


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    """A quiet market."""
    async with await serve_market(5, 1.0, symbols=("BTCUSDT",)) as running:
        yield running


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those the lab publishes, in the environment."""
    monkeypatch.setenv("PERPSCOPE_TRADE_KEY", LAB_KEY)
    monkeypatch.setenv("PERPSCOPE_TRADE_SECRET", LAB_SECRET)


def tree(lab: Lab, trade: Trade | None = None) -> Settings:
    """Settings that point at the lab, and allow live."""
    pointed: dict[str, object] = {
        "rest_url": lab.rest_url,
        "websocket_url": lab.websocket_url,
        "clock_url": f"{lab.rest_url}/lab/clock",
    }
    return Settings(trade=trade or Trade(live_enabled=True), venue={"binance": pointed})


async def refused(lab: Lab, database: Path, asked: Asked = ASKED, symbol: str = "BTCUSDT") -> str:
    """The code it is refused with; nothing is armed."""
    with pytest.raises(PerpscopeError) as caught:
        await armed(database, tree(lab), "binance", symbol, asked)
    assert trading_mode.read(database, Trade(live_enabled=True)).armed is None
    assert LAB_SECRET not in f"{caught.value} {caught.value.hint}"
    return caught.value.code


@pytest.mark.usefixtures("keys")
async def test_live_is_armed_with_what_the_venue_says(lab: Lab, tmp_path: Path) -> None:
    """Contract and permissions come from the exchange; the act and what was overridden are on record. Keeps S2-62."""
    database = tmp_path / "m.db"
    found = await armed(database, tree(lab), "binance", "BTCUSDT", ASKED)
    assert found.state.mode is trading_mode.Mode.LIVE
    assert "days-on-paper" in found.overridden
    at_ms = found.state.acts[-1].at_ms
    assert armed_until(found.state, BTC, "burst", at_ms) == at_ms + 12 * 3_600_000
    with JournalReader(place(database, RunKind.LIVE)) as reader:
        assert [(act.what, act.who) for act in reader.acts()] == [("arm", ASKED.who), ("override", ASKED.who)]


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("rights", "code"),
    [
        (KeyRights(can_withdraw=True), "key-moves-money"),
        (KeyRights(can_transfer=True), "key-moves-money"),
        (KeyRights(can_trade=False), "key-cannot-trade"),
    ],
    ids=["withdraws", "transfers", "cannot trade"],
)
async def test_a_key_that_may_do_more_or_less_is_refused(
    lab: Lab, tmp_path: Path, rights: KeyRights, code: str
) -> None:
    """Whoever steals it could take the money away; the exchange itself says what it may do (RELIABILITY S14)."""
    lab.accounts.by_key[LAB_KEY].rights = rights
    assert await refused(lab, tmp_path / "m.db") == code


@pytest.mark.usefixtures("keys")
async def test_a_key_bound_to_no_address_is_warned_of(lab: Lab, tmp_path: Path) -> None:
    """It is armed, with a word about it."""
    lab.accounts.by_key[LAB_KEY].rights = KeyRights(is_bound_to_address=False)
    found = await armed(tmp_path / "m.db", tree(lab), "binance", "BTCUSDT", ASKED)
    assert any("any address" in words for words in found.warnings)


@pytest.mark.usefixtures("keys")
async def test_the_symbol_is_the_venues_own(lab: Lab, tmp_path: Path) -> None:
    """A coin's name, or another spelling, was not typed letter by letter; what is unknown is unknown."""
    asked = Asked(strategy="burst", typed="BTC", is_live=True, override="a test", who="kim")
    assert await refused(lab, tmp_path / "m.db", asked, "BTC") == "live-not-armed"
    assert await refused(lab, tmp_path / "m.db", symbol="NOSUCHUSDT") == "symbol-unknown"


async def test_nobody_is_asked_before_live_is_allowed(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the settings, not without --live, and not without keys; the exchange hears nothing of it."""
    monkeypatch.delenv("PERPSCOPE_TRADE_KEY", raising=False)
    monkeypatch.delenv("PERPSCOPE_TRADE_SECRET", raising=False)
    database = tmp_path / "m.db"
    with pytest.raises(ConfigError) as caught:
        await armed(database, tree(lab, Trade()), "binance", "BTCUSDT", ASKED)
    assert caught.value.code == "mode-not-allowed"
    asked = Asked(strategy="burst", typed="BTCUSDT", is_live=False, who="kim")
    assert await refused(lab, database, asked) == "live-not-armed"
    assert await refused(lab, database) == "trade-keys"


@pytest.mark.usefixtures("keys")
async def test_a_testnet_is_asked_neither_for_the_keys_rights_nor_for_evidence(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no page that tells what a key may do, and no money to lose; the symbol is typed all the same."""
    monkeypatch.setattr("perpscope.venues.binance.TESTNETS", frozenset({"127.0.0.1"}))
    lab.accounts.by_key[LAB_KEY].rights = KeyRights(can_withdraw=True)
    asked = msgspec.structs.replace(ASKED, override="")
    found = await armed(tmp_path / "m.db", tree(lab), "binance", "BTCUSDT", asked)
    assert (found.state.mode, found.is_testnet) == (trading_mode.Mode.LIVE, True)
    mistyped = msgspec.structs.replace(asked, typed="BTC")
    assert await refused(lab, tmp_path / "other.db", mistyped) == "live-not-armed"
