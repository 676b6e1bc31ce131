"""Parts of the watch over alerts: times of day, the outbox of a sink, models off a store, and the log."""

import asyncio
import sqlite3
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

import msgspec
import pytest
from tests.unit.faced_market import MINUTES, ms, shared_market

from perpscope.analytics.alerts.alert import Alert, Phase
from perpscope.analytics.alerts.measures import MEASURES
from perpscope.analytics.alerts.rules import Moment, RuleSettings, State, compiled, step
from perpscope.analytics.alerts.saying import Saying, Trial
from perpscope.app.alerts.hours import digest_day, is_quiet, zone_of
from perpscope.app.alerts.models import Models
from perpscope.app.alerts.outbox import MOST_WAITING, Outbox
from perpscope.app.alerts.sink import Delivery
from perpscope.errors import ConfigError, StoreError
from perpscope.stores.alert_log import AlertLock, AlertLog, path_of

HOUR = 3_600_000


def alert(number: int = 1, phase: Phase = Phase.RAISED) -> Alert:
    """An alert of a price."""
    made = step(
        compiled("r", RuleSettings(when="price > 0")), State(), Moment(coin="BTC", now_ms=number, values={"price": 5.0})
    )
    assert made is not None
    return msgspec.structs.replace(made, phase=phase)


class Slow:
    """A sink that waits until it is let go."""

    name = "slow"

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.heard: list[tuple[str, str]] = []

    async def tell(self, alert: Alert) -> Delivery:
        """Wait, then hear."""
        await self.go.wait()
        self.heard.append((alert.id, alert.phase.value))
        return Delivery(sink=self.name, alert_id=alert.id, at_ms=1, is_sent=False, why="refused")

    async def say(self, saying: Saying) -> Delivery:
        """Fail."""
        raise OSError(saying.id)

    def recall(self, told: Sequence[Delivery]) -> None:
        """Be reminded."""

    async def run(self) -> None:
        """Nothing to do in between."""

    async def aclose(self) -> None:
        """Fail to end."""
        raise OSError("no")


async def test_a_slow_sink_is_told_the_newest_phase_and_its_queue_is_bounded() -> None:
    """Phases that wait become one message; beyond its bound the oldest silent message goes, and that is said."""
    sink, done = Slow(), list[Delivery]()
    outbox = Outbox(sink, done.append)
    outbox.put(alert(1))
    outbox.put(alert(1, Phase.UPDATED))
    outbox.put(alert(2, Phase.UPDATED))
    outbox.put(alert(2, Phase.CLEARED))
    silent = Saying(id="s", at_ms=1, told=Trial(), data="demo", is_silent=True, kind="trial")
    outbox.put(silent)
    for number in range(3, MOST_WAITING + 1):
        outbox.put(alert(number))
    assert [(each.alert_id, each.is_sent) for each in done] == [("s", False)]
    sink.go.set()
    task = asyncio.create_task(outbox.run())
    outbox.put(msgspec.structs.replace(silent, id="t"))
    while len(done) < MOST_WAITING + 2:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await outbox.serve()
    await outbox.aclose()
    assert [each.alert_id for each in done[:2]] == ["s", "r:BTC:1"]
    assert sink.heard[:2] == [("r:BTC:2", "cleared"), ("r:BTC:3", "raised")]
    assert (outbox.line().sent, outbox.line().failed, outbox.line().why) == (0, len(done), done[-1].why)


@pytest.mark.parametrize(
    ("hours", "hour", "expected"),
    [
        ("", 3, False),
        ("23:00-07:00", 23, True),
        ("23:00-07:00", 7, False),
        ("09:00-17:00", 9, True),
        ("09:00-17:00", 17, False),
    ],
)
def test_quiet_hours_may_go_over_midnight(hours: str, hour: int, expected: bool) -> None:
    """The first minute is quiet, the last is not."""
    assert is_quiet(hours, UTC, hour * HOUR) is expected


def test_a_digest_is_due_from_its_time_on() -> None:
    """Of the day before, by the clock of the zone; never where none is wanted."""
    assert digest_day("", UTC, 9 * HOUR) is None
    assert digest_day("09:00", UTC, 9 * HOUR - 1) is None
    assert digest_day("09:00", UTC, 33 * HOUR) == "1970-01-01"
    assert zone_of("utc") is UTC
    with pytest.raises(ConfigError, match="Nowhere"):
        zone_of("Nowhere/Atall")


def test_models_that_cannot_be_read_say_nothing(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    """A store tells what it can; what no rule names is not even read."""
    store = shared_market(tmp_path_factory)
    everything = {name for name, each in MEASURES.items() if each.kind == "model"}
    found = Models(store, everything).read("BTC", ms(MINUTES), HOUR)
    assert (found.cascade, found.clusters, found.until_ms) == (False, (), ms(MINUTES) + HOUR)
    assert None not in {found.risk, found.pull}
    nothing = Models(tmp_path / "none.db", everything).read("BTC", 0, HOUR)
    assert (nothing.pull, nothing.sentiment, nothing.cascade) == (None, None, None)
    assert not Models(store, {"price"}).is_needed
    assert Models(store, {"price"}).read("BTC", 0, HOUR).sentiment is None


def test_the_log_is_one_writers_and_says_what_is_wrong(tmp_path: Path) -> None:
    """One lock at a time; a file that is no log, or a newer one, is told with its code."""
    store = tmp_path / "m.db"
    one, other = AlertLock(store), AlertLock(store)
    assert [one.take(), one.take(), other.take(), one.is_held, other.is_held] == [True, True, False, True, False]
    one.release()
    one.release()
    assert other.take()
    other.release()
    path_of(store).write_bytes(b"this is no database, and long enough to be looked at as one" * 20)
    with pytest.raises(StoreError) as caught:
        AlertLog.open(store)
    assert caught.value.code == "alert-log"
    path_of(store).unlink()
    with AlertLog.open(store) as log:
        assert (log.get("x"), log.unmute("r", "user"), log.alerts(5)) == (None, False, [])
        with pytest.raises(msgspec.ValidationError), log.together():
            _written_then_broken(log)
        assert log.get("x") is None
        log.drop_before(5, 5)
    connection = sqlite3.connect(path_of(store))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer"):
        AlertLog.open(store)
    with pytest.raises(StoreError):
        AlertLog.open(tmp_path / "nowhere" / "m.db")


def _written_then_broken(log: AlertLog) -> None:
    log.put("x", b"1")
    msgspec.convert("x", int)
