"""The watch over alerts beside a face: raised within seconds, told once, kept over restarts, by one face alone."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from tests.pushing import BTC, Heart
from tests.unit.faced_market import MINUTES, ms, shared_market
from tests.unit.journal_made import held_journal, trade

from perpscope.analytics.alerts.alert import Alert
from perpscope.analytics.alerts.saying import Back, Digest, Saying, Silent
from perpscope.app.alerts import life as lives
from perpscope.app.alerts import trades
from perpscope.app.alerts.answer import Asked, read_alerts
from perpscope.app.alerts.controls import LogControls
from perpscope.app.alerts.loading import rules_of
from perpscope.app.alerts.replaying import read_board
from perpscope.app.alerts.service import AlertService
from perpscope.app.alerts.sink import Controls, Delivery, Sink
from perpscope.app.face import Live
from perpscope.app.status import Database, FeedLine, HeartLine, Status
from perpscope.errors import ConfigError
from perpscope.feeds.clock import wall_ns
from perpscope.model.bulletin import MarketLine, Topic
from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling
from perpscope.model.run import RunKind
from perpscope.model.stream import Channel
from perpscope.settings import Alerts, Settings
from perpscope.stores.alert_log import AlertLog
from perpscope.stores.journal import place
from perpscope.stores.status import EventCounts, FeedState, StoreKind

Wait = Callable[[Callable[[], bool]], Awaitable[None]]
RULES: dict[str, dict[str, object]] = {"burst": {"when": "liq_usd_1m > $1M", "expects": "move_pct >= 0.5 in 5m"}}
_COUNTS = EventCounts(1, 1, 1, {}, {"BUY": 1, "SELL": 0})


class Ears:
    """A sink that remembers what it was told."""

    name = "ears"

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.sayings: list[Saying] = []
        self.recalled: list[Delivery] = []

    async def tell(self, alert: Alert) -> Delivery:
        """Hear an alert."""
        self.alerts.append(alert)
        return Delivery(sink=self.name, alert_id=alert.id, at_ms=1, is_sent=True, phase=alert.phase.value)

    async def say(self, saying: Saying) -> Delivery:
        """Hear a saying; of digests it is deaf."""
        self.sayings.append(saying)
        if isinstance(saying.told, Digest):
            raise OSError("deaf")
        return Delivery(sink=self.name, alert_id=saying.id, at_ms=1, is_sent=True, phase=saying.kind)

    def recall(self, told: Sequence[Delivery]) -> None:
        """Be reminded."""
        self.recalled += told

    async def run(self) -> None:
        """Fail once; the outbox begins it again."""
        raise OSError("at first")

    async def aclose(self) -> None:
        """Nothing to let go of."""

    def sinks(self, _: Settings, __: Path | None, ___: Live, controls: Controls) -> Sequence[Sink]:
        """A `SinkMaker`."""
        assert "burst" in controls.rules()
        return [self]


class Market:
    """A heart that tells of one coin, in market time by hand."""

    def __init__(self) -> None:
        self.heart = Heart()
        self.now_ms = ms(MINUTES)

    def tell(self, state: FeedState = FeedState.LIVE, gaps: int = 0, *, is_running: bool = True) -> None:
        """A status and a line, a second later."""
        self.now_ms += 1000
        feed = FeedLine("binance", Channel.LIQUIDATIONS, state, 0, 1, gaps, coverage_24h=0.9)
        line = HeartLine(1, is_running, self.now_ms, wall_ns() // 1_000_000, 1.0)
        status = Status(_COUNTS, [feed], Database("m.db", 1), StoreKind.OBSERVED, heart=line)
        mark = MarketLine(instrument=BTC, ts_market=self.now_ms * 1_000_000, mark=60_000.0, open_interest=10.0)
        self.heart.tells(Topic.MARKET, mark, BTC)
        self.heart.tells(Topic.STATUS, status, "heart")

    def liquidate(self, usd: float) -> None:
        """A long is closed."""
        ts, size = self.now_ms * 1_000_000, usd / 60_000.0
        how = (Completeness.COMPLETE, Sampling.NONE)
        event = Liquidation(BTC, ts, ts, PositionSide.LONG, size, 60_000.0, None, *how, venue_id=str(ts))
        self.heart.tells(Topic.EVENTS, [event])


@pytest.fixture
def store(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten hours of BTC, and looks each twentieth of a second."""
    monkeypatch.setattr(lives, "LOOK_S", 0.05)
    return Path(shutil.copy(shared_market(tmp_path_factory), tmp_path / "m.db"))


@pytest.fixture
def said_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was logged of journals."""
    said: list[str] = []

    class Log:
        def warning(self, words: str, **_: object) -> None:
            said.append(words)

    monkeypatch.setattr("perpscope.app.alerts.trade_rounds._log", Log())
    return said


def settings(**more: object) -> Settings:
    """One rule, and whatever else."""
    alerts = msgspec.convert({"defaults": False, "digest_at": "", **more}, Alerts)
    return Settings(alerts=alerts, alert=RULES)


@asynccontextmanager
async def watching(market: Market, store: Path, tree: Settings, ears: Ears) -> AsyncIterator[AlertService]:
    """A face's ears and its watch at work; the heart tells ten times a second."""
    service = AlertService(tree, store, market.heart.live, ears.sinks)
    tasks = [asyncio.create_task(market.heart.live.run()), asyncio.create_task(service.run())]
    try:
        yield service
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], bool], market: Market, state: FeedState = FeedState.LIVE) -> None:
    """Let the heart tell until something holds."""
    for _ in range(400):
        if holds():
            return
        market.tell(state)
        await asyncio.sleep(0.05)
    pytest.fail("it never came")


def watched(store: Path, stage: str) -> Callable[[], bool]:
    """Whether the rule is told to be at a stage."""

    def holds() -> bool:
        found = read_alerts(store, settings())
        return [rule.stage for rule in found.rules] == [stage]

    return holds


async def test_a_burst_is_told_once_and_a_killed_face_tells_nothing_twice(store: Path) -> None:
    """Raised within a look; the next life of the watch goes on with it, under its id, and only takes it back."""
    market, ears = Market(), Ears()
    async with watching(market, store, settings(), ears):
        await until(watched(store, "quiet"), market)
        market.liquidate(2e6)
        await until(lambda: len(ears.alerts) == 1, market)
        await until(lambda: bool(read_alerts(store, settings()).deliveries), market)
    (raised,) = ears.alerts
    assert (raised.values["liq_usd_1m"], raised.side, raised.facts.price, raised.data) == (
        2e6,
        "long",
        60_000.0,
        "observed",
    )
    again = Ears()
    async with watching(market, store, settings(), again):
        await until(lambda: len(again.alerts) == 1, market)
    assert [(alert.phase.value, alert.id) for alert in again.alerts] == [("cleared", raised.id)]
    assert [each.alert_id for each in again.recalled] == [raised.id]
    found = read_alerts(store, settings(), Asked(rule="burst", coin="BTC"))
    assert [(each.alert.id, each.held_back) for each in found.alerts] == [(raised.id, None)]
    assert found.watcher is not None
    assert [(line.name, line.sent) for line in found.watcher.sinks] == [("ears", 0)]


async def test_of_two_faces_one_alone_watches(store: Path) -> None:
    """The second face tells nobody, whatever it hears."""
    market, ears, other = Market(), Ears(), Ears()
    async with watching(market, store, settings(), ears):
        await until(watched(store, "quiet"), market)
        service = AlertService(settings(), store, market.heart.live, other.sinks)
        task = asyncio.create_task(service.run())
        market.liquidate(2e6)
        await until(lambda: len(ears.alerts) == 1, market)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert other.alerts == []


async def test_a_muted_rule_is_logged_and_told_to_nobody(store: Path) -> None:
    """Muted by hand; heard again at once when that is taken back."""
    market, ears = Market(), Ears()
    controls = LogControls(store, rules_of(settings()))
    controls.mute("*", 3600.0)
    async with watching(market, store, settings(), ears):
        await until(watched(store, "quiet"), market)
        market.liquidate(2e6)
        await until(watched(store, "raised"), market)
        found = read_alerts(store, settings())
        assert [each.held_back for each in found.alerts] == ["muted by hand"]
        assert found.rules[0].muted is not None
        controls.unmute("*")
        await until(watched(store, "cooling"), market)
        market.now_ms += 700_000
        market.liquidate(2e6)
        await until(lambda: len(ears.alerts) == 1, market)
    assert ears.alerts[0].phase.value == "raised"
    with pytest.raises(ConfigError):
        controls.mute("bust", 1.0)


async def test_silence_is_told_once_and_taken_back(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A venue without data is told after its time, and the same message says how long it lasted and what was missed."""
    market, ears = Market(), Ears()
    tree = settings()
    monkeypatch.setattr("perpscope.app.alerts.silence._WELL_S", 0.2)
    quick = Settings(alerts=msgspec.structs.replace(tree.alerts, dead_after_s=0.3), alert=tree.alert)
    async with watching(market, store, quick, ears):
        await until(watched(store, "quiet"), market)
        await until(lambda: bool(ears.sayings), market, FeedState.DOWN)
        await until(lambda: len(ears.sayings) > 1, market)
    silent, back = (saying.told for saying in ears.sayings[:2])
    assert isinstance(silent, Silent)
    assert isinstance(back, Back)
    assert (silent.venue, silent.channel, silent.why, back.venue) == ("binance", "liquidations", "down", "binance")
    assert ears.sayings[1].edits == ears.sayings[0].id


async def test_the_digest_of_a_day_is_told_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a day's digest is due it goes out, with the coins' day in it, whatever becomes of the message."""
    market, ears = Market(), Ears()
    monkeypatch.setattr(lives, "_DIGEST_S", 0.05)
    days = iter(["2026-01-01", "2026-01-02"])
    seen: list[str] = []

    def due(*_: object) -> str:
        seen.append(next(days, "2026-01-02"))
        return seen[-1]

    monkeypatch.setattr("perpscope.app.alerts.hours.digest_day", due)
    async with watching(market, store, settings(), ears):
        await until(lambda: bool(ears.sayings), market)
        await until(lambda: len(seen) > 5, market)
    told = [saying.told for saying in ears.sayings if isinstance(saying.told, Digest)]
    assert [digest.day for digest in told] == ["2026-01-02"]
    (coin,) = told[0].coins
    assert (coin.coin, told[0].uptime) == ("BTC", 0.9)
    assert coin.price is not None


def is_kept(store: Path, name: str) -> bool:
    """Whether something is kept by a name in the log."""
    with AlertLog.open(store) as log:
        return log.get(name) is not None


async def test_what_becomes_of_trading_is_told_once(store: Path, said_of: list[str]) -> None:
    """Fills of a journal beside the store, from when somebody watches; another life repeats none of them."""
    market, ears, again = Market(), Ears(), Ears()
    with held_journal(store) as journal:
        journal.filled("7f3a", "", trade(1))
        async with watching(market, store, settings(), ears):
            await until(lambda: is_kept(store, trades.NAME), market)
            journal.filled("7f3a", "", trade(2))
            await until(lambda: bool(ears.sayings), market)
        async with watching(market, store, settings(), again):
            journal.filled("7f3a", "", trade(3))
            await until(lambda: bool(again.sayings), market)
    assert [saying.id for saying in ears.sayings] == ["fill:7f3a:2"]
    assert [saying.id for saying in again.sayings] == ["fill:7f3a:3"]
    assert said_of == []


@pytest.mark.parametrize("has_heart", [True, False], ids=["alerts off", "nothing collected"])
async def test_own_orders_are_told_without_alerts_and_without_a_heart(
    tmp_path: Path, store: Path, has_heart: bool
) -> None:
    """What becomes of own money hangs neither on market alerts nor on a collector: a trader alone is told of."""
    market, ears = Market(), Ears()
    database = store if has_heart else tmp_path / "traded.db"
    tree = settings(enabled=False) if has_heart else settings()
    with held_journal(database) as journal:
        async with watching(market, database, tree, ears):
            for _ in range(400):
                if database.with_name(f"{database.name}.alerts").exists() and is_kept(database, trades.NAME):
                    break
                await asyncio.sleep(0.05)
            journal.filled("7f3a", "", trade(2))
            for _ in range(400):
                if ears.sayings:
                    break
                if has_heart:
                    market.tell()
                    market.liquidate(2e6)
                await asyncio.sleep(0.05)
    assert [saying.id for saying in ears.sayings] == ["fill:7f3a:1"]
    assert ears.alerts == []
    assert read_alerts(database, tree).is_enabled is not has_heart


async def test_own_orders_may_be_left_untold(store: Path) -> None:
    """`alerts.trades` off: the market's alerts are told, and nothing of a journal."""
    market, ears = Market(), Ears()
    with held_journal(store) as journal:
        async with watching(market, store, settings(trades=False), ears):
            await until(watched(store, "quiet"), market)
            journal.filled("7f3a", "", trade(2))
            market.liquidate(2e6)
            await until(lambda: len(ears.alerts) == 1, market)
    assert ears.sayings == []
    assert not is_kept(store, trades.NAME)


async def test_a_journal_that_cannot_be_read_is_logged_once(store: Path, said_of: list[str]) -> None:
    """And the watch over everything else goes on."""
    market, ears = Market(), Ears()
    place(store, RunKind.LIVE).write_bytes(b"no journal, but long enough to be read as a database" * 20)
    async with watching(market, store, settings(), ears):
        await until(watched(store, "quiet"), market)
        await until(lambda: bool(said_of), market)
        market.liquidate(2e6)
        await until(lambda: len(ears.alerts) == 1, market)
    assert said_of == ["a trader's journal cannot be read"]


async def test_alerts_that_are_off_leave_no_file(store: Path) -> None:
    """Switched off, or without a heart: nothing is watched and nothing written."""
    market, ears = Market(), Ears()
    async with watching(market, store, settings(enabled=False), ears):
        market.tell()
        await asyncio.sleep(0.2)
    assert not store.with_name("m.db.alerts").exists()
    found = read_alerts(store, settings(enabled=False))
    assert (found.watcher, found.is_enabled, [rule.stage for rule in found.rules]) == (None, False, ["unwatched"])


def test_a_rule_that_cannot_be_read_stops_nothing_but_itself() -> None:
    """A face with a rule that means nothing does not start: the message says where it is wrong."""
    tree = Settings(alert={"x": {"when": "liq_usd_5 > 1"}})
    with pytest.raises(ConfigError) as caught:
        rules_of(tree)
    assert caught.value.code == "alert-expression"
    assert "'liq_usd_5m'" in (caught.value.hint or "")
    for table, name in (({"when": "price > 1"}, "Bad Name"), ({"title": "no when"}, "x")):
        with pytest.raises(ConfigError) as caught:
            rules_of(Settings(alert={name: table}))  # type: ignore[dict-item]
        assert caught.value.code == "alert-rule"
    assert [rule.name for rule in rules_of(Settings(alerts=Alerts(defaults=False)))] == []
    assert "price-shock" not in {rule.name for rule in rules_of(Settings(alert={"price-shock": {"enabled": False}}))}


def test_a_score_mute_may_be_overruled(store: Path) -> None:
    """What the score mutes is told with its reason; a user who wants it heard hears it."""
    with AlertLog.open(store) as log:
        log.mute(msgspec.convert({"rule": "burst", "kind": "score", "until_ms": None, "at_ms": 1}, _mute()))
    found = read_alerts(store, settings()).rules[0].muted
    assert found is not None
    assert found.by == "score"
    LogControls(store, rules_of(settings())).unmute("burst")
    assert read_alerts(store, settings()).rules[0].muted is None


def test_a_past_is_scored_as_it_would_have_been(store: Path) -> None:
    """Ten stored hours: every rule is judged minute by minute, and a rule that names models is said to be unknown."""
    tree = Settings(alert={"calm": {"when": "price > 1", "expects": "move_pct >= 0 in 5m"}})
    board = read_board(store, tree, 0.4)
    by_name = {line.rule: line for line in board.rules}
    assert (board.coins, by_name["calm"].alerts, by_name["cascade"].is_known) == (["BTC"], 1, False)
    score = by_name["calm"].score
    assert score is not None
    assert (score.n, score.hits, score.chance) == (1, 1, 1.0)
    assert any("cascade" in note for note in board.notes)


def _mute() -> type:
    from perpscope.stores.alert_log import Mute  # noqa: PLC0415 -- one name

    return Mute
