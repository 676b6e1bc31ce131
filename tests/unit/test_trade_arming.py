"""What live asks for before it trades with real money, and how long that holds."""

from pathlib import Path

import msgspec
import pytest
from tests.unit.journal_made import ACCOUNT, BTC
from tests.unit.runs_made import BEGIN_MS, DAY_MS, walked

from perpscope.app import trading_mode
from perpscope.app.trade.arming import Asked, arm, armed_until, evidence, key_warnings, write_act
from perpscope.app.trading_mode import Mode
from perpscope.errors import ConfigError, StoreError
from perpscope.model.exchange import Restrictions
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.run import Run, RunKind
from perpscope.settings import Trade
from perpscope.stores.journal import Journal, JournalReader, place
from perpscope.stores.runs import Runs

LIVE = Trade(live_enabled=True, armed_h=2.0)
NOW = 1_790_000_000_000
BITCOIN = Instrument(id=BTC, venue="binance", symbol="BTCUSDT", base="BTC", quote="USDT")
ASKED = Asked(strategy="burst", typed="BTCUSDT", is_live=True, who="ann by command")
MAY = Restrictions(can_trade=True, can_withdraw=False, is_bound_to_address=True)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Whose mode it is."""
    return tmp_path / "market.db"


def on_paper(run: Run, *, days: float = 61.0, begin_ms: int = BEGIN_MS, hash_: str = "aa", **more: float | None) -> Run:
    """A run as if it had been on paper for so many days of an observed market."""
    told = msgspec.structs.replace(
        run.summary,
        kind=RunKind.PAPER,
        data="observed",
        coverage=1.0,
        from_ms=begin_ms,
        to_ms=begin_ms + round(days * DAY_MS),
        made_ms=begin_ms + round(days * DAY_MS),
        hash=hash_ * 32,
    )
    figures = {**run.performance, "slippage_modelled": 1e9, "incidents_unsettled": 0.0, "dsr": 0.99, **more}
    return msgspec.structs.replace(run, summary=told, performance=figures)


def proven(database: Path) -> None:
    """Paper that meets every condition of the gate."""
    with Runs(database) as kept:
        kept.add(on_paper(walked(minutes=20 * 1440, trades=320, drift=0.02)))


def acts(database: Path) -> list[tuple[str, str]]:
    """What stands in the audit of live."""
    with JournalReader(place(database, RunKind.LIVE)) as reader:
        return [(act.what, act.why) for act in reader.acts()[::-1]]


def test_live_is_armed_when_all_is_as_it_has_to_be(database: Path) -> None:
    """Enabled, --live, the symbol typed, a harmless key, proven on paper: live until its time is over. Keeps S2-62."""
    proven(database)
    found = arm(database, LIVE, BITCOIN, ASKED, MAY, now_ms=NOW)
    assert found.state.mode is Mode.LIVE
    assert (found.overridden, found.warnings) == ([], [])
    assert all(one.is_met for one in found.conditions)
    until = NOW + 7_200_000
    state = trading_mode.read(database, LIVE)
    assert armed_until(state, BTC, "burst", until - 1) == until
    assert armed_until(state, BTC, "burst", until) is None
    assert armed_until(state, BTC, "reversal", NOW) is None
    assert armed_until(state, InstrumentId("ETH-USDT-PERP.BINANCE"), "burst", NOW) is None
    assert acts(database) == [("arm", f"burst on {BTC} until {until}")]
    trading_mode.halted(database, who="kim", why="", now_ms=NOW, trade=LIVE)
    assert armed_until(trading_mode.read(database, LIVE), BTC, "burst", NOW) is None


@pytest.mark.parametrize(
    ("trade", "asked", "may", "code"),
    [
        (Trade(), ASKED, MAY, "mode-not-allowed"),
        (LIVE, msgspec.structs.replace(ASKED, is_live=False), MAY, "live-not-armed"),
        (LIVE, msgspec.structs.replace(ASKED, typed="btcusdt"), MAY, "live-not-armed"),
        (LIVE, msgspec.structs.replace(ASKED, typed=""), MAY, "live-not-armed"),
        (LIVE, ASKED, msgspec.structs.replace(MAY, can_withdraw=True), "key-moves-money"),
        (LIVE, ASKED, msgspec.structs.replace(MAY, can_trade=False), "key-cannot-trade"),
        (LIVE, msgspec.structs.replace(ASKED, strategy="reversal"), MAY, "gate-closed"),
    ],
    ids=["not enabled", "no --live", "mistyped", "nothing typed", "withdraws", "cannot trade", "not proven"],
)
def test_what_is_missing_keeps_live_away(
    database: Path, trade: Trade, asked: Asked, may: Restrictions, code: str
) -> None:
    """Each by its own code, and neither mode nor journal is touched (RELIABILITY S14). Keeps S2-62."""
    proven(database)
    with pytest.raises(ConfigError) as caught:
        arm(database, trade, BITCOIN, asked, may, now_ms=NOW)
    assert caught.value.code == code
    assert caught.value.hint
    assert trading_mode.read(database, LIVE).mode is not Mode.LIVE
    assert acts(database) == []


def test_the_gate_opens_by_an_override_that_stays_on_record(database: Path) -> None:
    """With the conditions that were not met and why, before the arming itself (RELIABILITY S33). Keeps B20."""
    asked = msgspec.structs.replace(ASKED, override="100,000 won to learn with")
    found = arm(database, LIVE, BITCOIN, asked, MAY, now_ms=NOW)
    assert found.overridden[:2] == ["days-on-paper", "trades"]
    assert [what for what, _ in acts(database)] == ["override", "arm"]
    assert acts(database)[0][1].endswith("incidents: 100,000 won to learn with")


def test_a_testnet_asks_for_no_evidence_and_for_everything_else(database: Path) -> None:
    """No money can be lost there; the setting, --live and the typed symbol are asked for all the same (DESIGN 7)."""
    found = arm(database, LIVE, BITCOIN, ASKED, None, now_ms=NOW)
    assert (found.state.mode, found.is_testnet, found.conditions, found.overridden) == (Mode.LIVE, True, [], [])
    assert "testnet" in found.warnings[0]
    assert [what for what, _ in acts(database)] == ["arm"]
    for trade, asked in (
        (Trade(), ASKED),
        (LIVE, msgspec.structs.replace(ASKED, is_live=False)),
        (LIVE, msgspec.structs.replace(ASKED, typed="BTC")),
    ):
        with pytest.raises(ConfigError):
            arm(database, trade, BITCOIN, asked, None, now_ms=NOW)


def test_nothing_is_armed_while_halted(database: Path) -> None:
    """Nor is it said in the journal that it was."""
    proven(database)
    trading_mode.halted(database, who="kim", why="look first", now_ms=NOW, trade=LIVE)
    with pytest.raises(ConfigError, match="look first") as caught:
        arm(database, LIVE, BITCOIN, ASKED, MAY, now_ms=NOW)
    assert caught.value.code == "halted"
    assert acts(database) == []


def test_nothing_is_armed_that_cannot_be_written_down(database: Path) -> None:
    """A journal that is no journal: live stays away."""
    proven(database)
    place(database, RunKind.LIVE).write_bytes(b"no journal, but long enough to be read as a database" * 20)
    with pytest.raises(StoreError) as caught:
        arm(database, LIVE, BITCOIN, ASKED, MAY, now_ms=NOW)
    assert caught.value.code == "journal-damaged"
    assert trading_mode.read(database, LIVE).mode is not Mode.LIVE


def test_evidence_is_paper_on_an_observed_market(database: Path) -> None:
    """Not a backtest, not the lab, not other parameters, and no time twice."""
    run = walked(minutes=3 * 1440, trades=40)
    with Runs(database) as kept:
        kept.add(on_paper(run, days=10.0, begin_ms=BEGIN_MS + 20 * DAY_MS, hash_="a1"))
        kept.add(on_paper(run, days=10.0, begin_ms=BEGIN_MS + 8 * DAY_MS, hash_="a2"))
        kept.add(on_paper(run, days=10.0, begin_ms=BEGIN_MS + 15 * DAY_MS, hash_="a3"))
        for number, (name, value) in enumerate(
            [("data", "demo"), ("kind", RunKind.BACKTEST), ("parameters", {"bars": 9.0}), ("strategy", "others")]
        ):
            other = on_paper(run, days=100.0, begin_ms=BEGIN_MS - 200 * DAY_MS, hash_=f"b{number}")
            kept.add(msgspec.structs.replace(other, summary=msgspec.structs.replace(other.summary, **{name: value})))
    found = {one.name: one.figure for one in evidence(database, "burst", BTC)}
    assert (found["days-on-paper"], found["trades"]) == (20.0, 80.0)
    assert {one.name: one.figure for one in evidence(database, "never", BTC)}["trades"] == 0.0


def test_a_key_that_is_bound_to_no_address_is_warned_of() -> None:
    """It may be used, and whoever steals it may use it too (RELIABILITY S14)."""
    assert key_warnings(MAY, "binance") == []
    (words,) = key_warnings(msgspec.structs.replace(MAY, is_bound_to_address=False), "binance")
    assert "any address" in words


def test_acts_of_people_go_into_a_journal_that_is_there(database: Path) -> None:
    """Whether or not a trader runs on it; none is made for them."""
    assert not write_act(database, RunKind.LIVE, who="kim", what="halt", why="storm", now_ms=NOW)
    with Journal.open(place(database, RunKind.LIVE), holder="trader") as journal:
        journal.take(ACCOUNT, 1000.0, 10.0)
        assert write_act(database, RunKind.LIVE, who="kim", what="halt", why="storm", now_ms=NOW)
        journal.renew(1001.0)
    assert acts(database)[-1] == ("halt", "storm")
