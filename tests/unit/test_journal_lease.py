"""One trader per account: a lease that runs out, a token that keeps a late one out, and clocks that are wrong."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.journal_made import ACCOUNT, NOON_MS, NOON_NS, funding, held_journal, order, run_named, status, trade

from perpscope.errors import StoreError
from perpscope.model.run import RunKind
from perpscope.stores.journal import Journal, place
from perpscope.stores.journal_lease import HolderLock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal's file."""
    return place(tmp_path / "market.db", RunKind.LIVE)


def refused(journal: Journal, now_s: float, account: str = ACCOUNT) -> str:
    """The code that a taking is refused with."""
    with pytest.raises(StoreError) as caught:
        journal.take(account, now_s, 10.0)
    assert caught.value.hint
    return caught.value.code


def test_the_second_trader_waits_until_the_lease_is_over(path: Path) -> None:
    """While it holds, nobody else trades the account; renewing moves its end; tokens only rise. Keeps S4-54."""
    with Journal.open(path, holder="one") as one, Journal.open(path, holder="two") as two:
        assert one.take(ACCOUNT, 1000.0, 10.0) == 1
        assert refused(two, 1009.9) == "trader-elsewhere"
        one.renew(1009.0)
        assert refused(two, 1018.9) == "trader-elsewhere"
        assert two.take(ACCOUNT, 1019.0, 10.0) == 2
        assert two.take("another account", 1019.0, 10.0) == 1


def test_the_second_trader_is_told_what_the_first_one_trades(path: Path) -> None:
    """Who, which strategy and contract, which run, and when it may go on; before a run is begun, who. Keeps S4-54."""
    with Journal.open(path, holder="trader 7 on desk") as one, Journal.open(path, holder="trader 8 on desk") as two:
        one.take(ACCOUNT, 1000.0, 10.0)
        with pytest.raises(StoreError) as caught:
            two.take(ACCOUNT, 1001.0, 10.0)
        assert caught.value.message == (
            "trader 7 on desk has the account already: one trader at a time, whatever it trades"
        )
        one.begin(run_named())
        with pytest.raises(StoreError) as caught:
            two.take(ACCOUNT, 1001.0, 10.0)
        assert caught.value.message.startswith(
            "trader 7 on desk has the account already, for burst on BTC-USDT-PERP.BINANCE (run 7f3a): one trader"
        )
        assert caught.value.hint == ("end that one, or wait for its end; one that hangs loses the account after 10 s")


WRITES: list[tuple[str, Callable[[Journal], object]]] = [
    ("renew", lambda journal: journal.renew(1020.0)),
    ("begin", lambda journal: journal.begin(run_named())),
    ("intend", lambda journal: journal.intend("7f3a", order("7f3a-burst-2"))),
    ("note", lambda journal: journal.note("7f3a-burst-1", "sent", NOON_NS)),
    ("filled", lambda journal: journal.filled("7f3a", "7f3a-burst-1", trade())),
    ("funded", lambda journal: journal.funded("7f3a", funding())),
    ("remember", lambda journal: journal.remember("7f3a", {})),
    ("report", lambda journal: journal.report(status())),
    ("act", lambda journal: journal.act("trader", "anything", "", NOON_MS)),
    ("end", lambda journal: journal.end("7f3a", NOON_NS)),
]


@pytest.mark.parametrize("write", [write for _, write in WRITES], ids=[name for name, _ in WRITES])
def test_whoever_was_overtaken_writes_nothing(path: Path, tmp_path: Path, write: Callable[[Journal], object]) -> None:
    """Each way to write shows the token first, and leaves everything as it was (RELIABILITY D22)."""
    with held_journal(tmp_path / "market.db") as one, Journal.open(path, holder="two") as two:
        one.intend("7f3a", order())
        two.take(ACCOUNT, 1011.0, 10.0)
        before = _rows(path)
        with pytest.raises(StoreError, match="two trades") as caught:
            write(one)
        assert caught.value.code == "trader-fenced"
        assert _rows(path) == before
        one.release()
        assert refused(one, 1012.0) == "trader-elsewhere"


def test_without_an_account_only_people_act(path: Path) -> None:
    """Arming and halting are written by whoever does it; everything else takes the account."""
    with Journal.open(path, holder="ann") as journal:
        journal.act("ann by command", "arm", "BTCUSDT typed", NOON_MS)
        for name, write in WRITES:
            if name != "act":
                with pytest.raises(StoreError, match="holds no account"):
                    write(journal)
        assert journal.verify() is None


def test_an_account_that_was_left_is_free(path: Path) -> None:
    """A trader that ends in order leaves it at once, and so does one whose process is gone; twice does no harm."""
    one, two = Journal.open(path, holder="one"), Journal.open(path, holder="two")
    one.take(ACCOUNT, 1000.0, 10.0)
    one.release()
    one.release()
    assert two.take(ACCOUNT, 1000.5, 10.0) == 2
    two.close()
    two.close()
    assert one.take(ACCOUNT, 1001.0, 10.0) == 3
    one.close()


def test_a_lease_of_a_process_that_is_gone_is_not_waited_for(path: Path) -> None:
    """Its lock went with it: the next takes the account at once. Where locks cannot be made, the time decides."""
    one, two = Journal.open(path, holder="one"), Journal.open(path, holder="two")
    one.take(ACCOUNT, 1000.0, 10.0)
    assert one._lock is not None
    one._lock.release()  # as the system does when the process dies
    assert two.take(ACCOUNT, 1000.1, 10.0) == 2
    assert not HolderLock(path.parent / "nowhere" / "m.db.live", ACCOUNT).take()
    two.close()
    one.close()


def test_a_clock_that_steps_back_lengthens_no_lease(path: Path) -> None:
    """Renewed an hour "later" than the clock says, it is over when its time to live went by without a renewal."""
    with Journal.open(path, holder="one") as one, Journal.open(path, holder="two") as two:
        one.take(ACCOUNT, 4600.0, 10.0)
        assert refused(two, 1000.0) == "trader-elsewhere"
        one.renew(1003.0)
        assert refused(two, 1009.0) == "trader-elsewhere"
        assert refused(two, 1001.0) == "trader-elsewhere"
        with Journal.open(path, holder="three") as three:
            assert refused(three, 900.0) == "trader-elsewhere"
            assert refused(three, 909.9) == "trader-elsewhere"
            assert three.take(ACCOUNT, 910.0, 10.0) == 2


def test_a_clock_that_leaps_ahead_hands_over_and_fences(path: Path) -> None:
    """It may cost the holder the account, and never lets two write."""
    with Journal.open(path, holder="one") as one, Journal.open(path, holder="two") as two:
        one.take(ACCOUNT, 1000.0, 10.0)
        two.take(ACCOUNT, 90_000.0, 10.0)
        with pytest.raises(StoreError) as caught:
            one.renew(1001.0)
        assert caught.value.code == "trader-fenced"
        two.renew(1001.0)


def _rows(path: Path) -> list[tuple[object, ...]]:
    tables = ("lease", "runs", "orders", "notes", "fills", "fundings", "memory", "statuses", "acts")
    with closing(sqlite3.connect(path)) as other:
        return [row for table in tables for row in other.execute(f"SELECT * FROM {table}")]
