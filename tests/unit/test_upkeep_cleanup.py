"""Cleanup by command, by another process's collector, and daily by itself."""

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from sqlite3 import Connection, IntegrityError, OperationalError

import pytest
import structlog.testing
from tests.contract.store_events import BTC, HOUR, NOON, at, covered, gap, heart, liquidation, tick

from perpscope.app import upkeep
from perpscope.app.upkeep import DAY_NS, Upkeep, cleanup, duration_ns, now_of, preview
from perpscope.errors import ConfigError, DataError, StoreError
from perpscope.model.stream import Channel, Stream
from perpscope.stores import handover
from perpscope.stores.access import owning
from perpscope.stores.reader import SqliteReader
from perpscope.stores.retention import sweep
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

DEADLINE_S = 30.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store goes."""
    return tmp_path / "market.db"


def fill(path: Path, hours: int, kind: StoreKind = StoreKind.DEMO) -> None:
    """A store with a liquidation each minute of some hours after noon, whose market stands at their end."""
    with closing(SqliteStore.open(path, kind=kind)) as store:
        store.register([BTC])
        for minute in range(60 * hours):
            store.sink().accept(liquidation(60 * minute))
        store.sink().accept(covered(0, 3600 * hours))
        store.report([], heart(3600 * hours))
        store.sink().accept(tick(3600 * hours))


def wait_for(condition: object) -> None:
    """Wait until a condition holds, without sleeping a fixed time."""
    assert callable(condition)
    pause = threading.Event()
    for _ in range(int(DEADLINE_S * 200)):
        if condition():
            return
        pause.wait(0.005)
    pytest.fail(f"condition not met within {DEADLINE_S:g} s")


@pytest.mark.parametrize(("text", "hours"), [("1h", 1), ("12H", 12), ("30d", 720), (" 2w ", 336)])
def test_ages_are_read(text: str, hours: int) -> None:
    """Hours, days and weeks of exactly 24 hours."""
    assert duration_ns(text) == hours * HOUR


@pytest.mark.parametrize("text", ["", "30", "0d", "-1d", "1.5d", "30 days", "1m", "३d", "999999d"])
def test_other_ages_are_refused(text: str) -> None:
    """What is no age deletes nothing, and is told by its value."""
    with pytest.raises(ConfigError, match="--older-than") as caught:
        duration_ns(text)
    assert caught.value.code == "option-value"


def test_cleanup_deletes_what_it_announced(path: Path) -> None:
    """The preview counts, changes nothing, and is what the cleanup then deletes, table by table. Keeps S1-07, S1-64."""
    fill(path, 5)
    seen = preview(path, 2 * HOUR)
    assert seen.dry_run
    assert seen.rows["liquidation_events"] == seen.rows["liquidation_aggregates"] == 180
    assert seen.rows["liquidation_intensity"] == 3
    with SqliteReader.open(path) as reader:
        assert reader.counts(0).total == 300
    done = cleanup(path, 2 * HOUR)
    assert (done.rows, done.total) == (seen.rows, seen.total)
    assert (done.dry_run, done.by_collector, done.coverage_cut) == (False, False, 1)
    assert done.older_than == "2024-08-08T15:00:00.000Z"
    with SqliteReader.open(path) as reader:
        assert [event.ts_event for event in reader.liquidations()] == [at(60 * minute) for minute in range(180, 300)]
        ((begin, end),) = [(row.ts_from, row.ts_to) for row in reader.coverage()]
    assert (begin, end) == (at(3 * 3600), at(5 * 3600))


def test_a_market_that_stopped_does_not_grow_old(path: Path) -> None:
    """A demo keeps its own time: years later its last hours are still its last hours. A real market goes on."""
    fill(path, 3)
    assert now_of(path) == at(3 * 3600)
    assert cleanup(path, 3 * HOUR).total == 0
    observed = path.with_name("observed.db")
    fill(observed, 3, StoreKind.OBSERVED)
    assert cleanup(observed, 30 * DAY_NS).rows["liquidation_events"] == 180


def test_no_store_no_cleanup(path: Path) -> None:
    """Nothing is made where nothing is."""
    with pytest.raises(DataError) as caught:
        cleanup(path, HOUR)
    assert caught.value.code == "store-missing"
    assert list(path.parent.iterdir()) == []


def test_a_collector_cleans_up_when_asked(path: Path) -> None:
    """While a heart writes, another process's cleanup is done by it, between its own rows. Keeps S1-07, S1-59."""
    fill(path, 5)
    answers: list[upkeep.Cleanup] = []
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        keeper = Upkeep(store, days=0)
        asking = threading.Thread(target=lambda: answers.append(cleanup(path, 2 * HOUR)))
        asking.start()
        second = 5 * 3600
        while asking.is_alive():
            second += 1
            store.sink().accept(liquidation(second))
            store.sink().accept(tick(second))
            keeper.tick(at(second))
            store.flush()
        (answer,) = answers
        assert answer.by_collector
        assert answer.rows["liquidation_events"] >= 180
    with SqliteReader.open(path) as reader:
        events = reader.liquidations(limit=10_000)
    assert events[-1].ts_event == at(second)
    assert events[0].ts_event >= at(3 * 3600)
    assert not list(path.parent.glob("*.clean*"))


def test_a_store_that_cannot_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is the store's own."""
    fill(path, 1)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StoreError) as caught:
        cleanup(path, HOUR)
    assert caught.value.code == "store-folder"


def test_a_writer_that_does_not_answer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds the store without looking for requests is named, and the request is withdrawn."""
    fill(path, 2)
    monkeypatch.setattr(handover.hand_over, "__kwdefaults__", {"taken_within_s": 0.01})
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)):
        with pytest.raises(StoreError, match="is already writing") as caught:
            cleanup(path, HOUR)
        assert caught.value.code == "store-locked"
        assert handover.take(path) is None


def test_a_collector_that_dies_with_a_request(path: Path) -> None:
    """A request that was taken by a process which then went away is not waited for."""
    fill(path, 2)
    owned = iter([True, True, False])
    taking = threading.Thread(target=lambda: wait_for(lambda: handover.take(path)))
    taking.start()
    assert handover.hand_over(path, NOON, is_owned=lambda: next(owned)) is None
    taking.join()


def test_garbage_beside_the_store(path: Path) -> None:
    """A file that is no request is taken away and asks for nothing."""
    fill(path, 1)
    path.with_name("market.db.cleanup").write_bytes(b"{")
    assert handover.take(path) is None
    assert not list(path.parent.glob("*.cleanup"))


def test_a_failed_cleanup_is_told_to_who_asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector goes on, and the one who asked hears why nothing was deleted."""
    fill(path, 2)

    def broken(connection: Connection, cutoff_ns: int) -> Iterator[object]:
        connection.execute("BEGIN")
        if cutoff_ns:
            raise OperationalError("disk I/O error")
        yield None

    failures: list[StoreError] = []

    def ask() -> None:
        try:
            cleanup(path, HOUR)
        except StoreError as error:
            failures.append(error)

    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store, structlog.testing.capture_logs() as logged:
        monkeypatch.setattr(upkeep, "sweep", broken)
        keeper = Upkeep(store, days=0)
        asking = threading.Thread(target=ask)
        asking.start()
        while asking.is_alive():
            keeper.tick(at(0))
        store.sink().accept(liquidation(9000))
        store.flush()
    (failure,) = failures
    assert failure.code == "cleanup-failed"
    assert "disk I/O error" in failure.message
    assert logged[0]["event"] == "cleanup failed"


def test_once_a_market_day_by_itself(path: Path) -> None:
    """With `[retention] days` the heart deletes once each market day, and only then. Keeps S1-07, S1-64."""
    fill(path, 30)
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        keeper = Upkeep(store, days=1)

        def stored_after(second: float) -> int:
            for _ in range(2):  # begun at one Tick, done by another
                keeper.tick(at(second))
                wait_for(lambda: keeper._doing is None or keeper._doing.done())
            with SqliteReader.open(path) as reader:
                return reader.counts(0).total

        assert stored_after(30 * 3600) == 24 * 60
        assert stored_after(31 * 3600) == 24 * 60
        assert stored_after(36 * 3600) == 18 * 60
        assert stored_after(59 * 3600) == 18 * 60
        assert stored_after(60 * 3600) == 0


def test_nothing_goes_by_itself_unless_asked(path: Path) -> None:
    """The default keeps everything."""
    fill(path, 1)
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        keeper = Upkeep(store, days=0)
        for day in range(1000, 1010):
            keeper.tick(at(day * 86_400))
        store.flush()
    with SqliteReader.open(path) as reader:
        assert reader.counts(0).total == 60


def test_rows_do_not_wait_for_a_cleanup(path: Path) -> None:
    """Between two steps of a chore the writer commits what has come; a chore is given up when the store closes."""
    fill(path, 2)
    stepped, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> Iterator[int]:
        for number in count():
            assert not connection.in_transaction
            stepped.set()
            go_on.wait(DEADLINE_S)
            yield number

    store = SqliteStore.open(path, kind=StoreKind.DEMO)
    answer = store.ask(slow)
    last = store.ask(lambda connection: iter([connection.total_changes]))
    assert stepped.wait(DEADLINE_S)
    store.sink().accept(liquidation(10_000))
    store.sink().accept(tick(10_001))
    go_on.set()
    store.flush()
    assert store.committed == at(10_001)
    store.close()
    assert answer.cancelled()
    assert last.cancelled()


def test_an_interrupted_sweep_is_finished_by_the_next(path: Path) -> None:
    """After each step the sums are those of the events that are left, and coverage begins no earlier than they do."""
    fill(path, 4)
    cutoff = at(3 * 3600 + 1)
    steps = 0
    while True:
        with owning(path) as connection:
            sweeping = sweep(connection, cutoff, slice_rows=7)
            before = connection.total_changes
            for _ in range(2):
                next(sweeping)
            del sweeping
            changed = connection.total_changes - before
            (events,) = connection.execute("SELECT count(*) FROM liquidation_events").fetchone()
            for table in ("liquidation_aggregates", "liquidation_intensity"):
                assert connection.execute(f"SELECT sum(event_count) FROM {table}").fetchone() == (events,)
            assert connection.execute("SELECT min(ts_from) FROM coverage").fetchone() == (cutoff,)
        steps += 1
        if changed <= 1:  # the instant is noted again
            break
    assert steps > 5
    assert events == 59


@pytest.mark.parametrize("refusal", ["ABORT", "ROLLBACK"])
def test_a_step_that_fails_changes_nothing(refusal: str, path: Path) -> None:
    """What the disk or a foreign trigger refuses leaves that step undone, and the connection free."""
    fill(path, 2)
    with owning(path) as connection:
        connection.execute(
            f"CREATE TRIGGER never BEFORE DELETE ON liquidation_events BEGIN SELECT raise({refusal}, 'never'); END"
        )
        sweeping = sweep(connection, at(3600))
        next(sweeping)
        with pytest.raises(IntegrityError, match="never"):
            next(sweeping)
        assert not connection.in_transaction
        for table in ("liquidation_aggregates", "liquidation_events"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (120,)


def test_a_chore_that_fails_at_once(path: Path) -> None:
    """Whoever asked hears of it, and the writer goes on."""

    def fails(_: Connection) -> Iterator[int]:
        raise ValueError("not today")

    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        with pytest.raises(ValueError, match="not today"):
            store.ask(fails).result(DEADLINE_S)
        assert store.ask(lambda _: iter(())).result(DEADLINE_S) is None
        store.sink().accept(liquidation(0))
        store.flush()


def test_nothing_to_do_is_not_worth_a_line(path: Path) -> None:
    """A day on which nothing was old leaves no line in the log."""
    fill(path, 1)
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store, structlog.testing.capture_logs() as logged:
        keeper = Upkeep(store, days=30)
        for _ in range(2):
            keeper.tick(at(3600))
            wait_for(lambda: keeper._doing is None or keeper._doing.done())
    assert logged == []


def test_who_owns_a_store(path: Path) -> None:
    """Known by the lock, which the system lets go of when its holder dies."""
    fill(path, 1)
    assert not upkeep._is_owned(path)
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)):
        assert upkeep._is_owned(path)


def test_an_hour_of_many_is_taken_in_parts(path: Path) -> None:
    """More events in an hour, or at one instant, than a transaction should have: the sums stay right throughout."""
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        for number in range(40):
            store.sink().accept(liquidation(10 if number < 20 else number, size=1.0 + number))
    with owning(path) as connection:
        left = []
        for _ in sweep(connection, at(35), slice_rows=4):
            (events,) = connection.execute("SELECT count(*) FROM liquidation_events").fetchone()
            for table in ("liquidation_aggregates", "liquidation_intensity"):
                assert connection.execute(f"SELECT sum(event_count) FROM {table}").fetchone() == (events,)
            left.append(events)
    assert left[0] == 40
    assert left[-1] == 5
    assert len(left) > 4


def test_sums_without_events_go_with_their_time(path: Path) -> None:
    """Minutes of an older collector whose events are gone stay until they are older, also the one that is divided."""
    fill(path, 1)
    with owning(path) as connection:
        connection.execute("DELETE FROM liquidation_events WHERE ts_event < ?", (at(1800),))
    cleanup_at = at(600) + 1
    with owning(path) as connection:
        *_, swept = sweep(connection, cleanup_at)
    assert swept.rows["liquidation_aggregates"] == 10
    with SqliteReader.open(path) as reader:
        assert reader.aggregates()[0].ts_start == at(600)


def test_an_interval_that_is_still_growing_is_not_told_anew(path: Path) -> None:
    """A cleanup under a running connection: its interval goes on from the instant, gaps that last are closed once."""
    book = (Stream(Channel.BOOK, BTC.id),)
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        store.register([BTC])
        store.sink().accept(covered(0, 100))
        store.sink().accept(gap(20, None, streams=book))
        store.sink().accept(tick(100))
        store.ask(lambda connection: sweep(connection, at(50))).result(DEADLINE_S)
        store.sink().accept(covered(0, 120))
        store.sink().accept(gap(20, 110, streams=book))
        store.sink().accept(tick(120))
        store.flush()
        with SqliteReader.open(path) as reader:
            rows = [(row.kind, row.ts_from, row.ts_to) for row in reader.coverage()]
    assert rows == [("gap", at(50), at(110)), ("covered", at(50), at(120))]
