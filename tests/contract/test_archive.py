"""What the Parquet archive promises: every row once, days and kinds apart, and coverage never told too soon."""

from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types
import pytest
from tests.contract.archive_events import TRADES, delta, marked, quote, snapshot, trade
from tests.contract.store_events import BTC, ETH, HOUR, NOON, at, candle, covered, gap, liquidation, tick

from perpscope.errors import DataError, PerpscopeError, StoreError
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import AccountRatio, MarketEvent, RatioKind
from perpscope.model.stream import Channel
from perpscope.stores.archive.files import Entry
from perpscope.stores.archive.ledger import Span, ledger
from perpscope.stores.archive.manifest import Manifest
from perpscope.stores.archive.parquet import ParquetArchive
from perpscope.stores.archive.query import ArchiveReader, verify
from perpscope.stores.archive.upkeep import Keep, compact, expire
from perpscope.stores.status import StoreKind

DAY = 24 * HOUR


def opened(folder: Path, **more: float) -> ParquetArchive:
    """An archive of observed data."""
    return ParquetArchive.open(folder, kind=StoreKind.OBSERVED, file_s=more.get("file_s", 10.0))


def fill(folder: Path, *batches: list[MarketEvent], until: float = 9.0) -> None:
    """An archive that took these batches and saw all until then."""
    with closing(opened(folder)) as archive:
        for batch in batches:
            archive.take(batch)
        archive.accept(covered(0, until, streams=TRADES))
        archive.accept(tick(until))


def everything(folder: Path, channel: Channel = Channel.TRADES) -> list[dict[str, object]]:
    """All rows of a channel, as a reader sees them."""
    with closing(ArchiveReader(folder)) as reader:
        rows: list[dict[str, object]] = reader.rows(channel, None, 0, 1 << 62).table.to_pylist()
        return rows


def spans(folder: Path) -> list[Span]:
    """The archive's own coverage."""
    with closing(Manifest.reading(folder)) as manifest:
        return ledger(manifest)


def test_every_kind_of_event_comes_back_as_it_was(tmp_path: Path) -> None:
    """Each channel's rows hold what the event held, in base units and nanoseconds; nothing else is kept."""
    ratio = AccountRatio(BTC.id, at(0), at(1), RatioKind.TOP_ACCOUNTS, 300, 0.5)
    with closing(opened(tmp_path)) as archive:
        archive.take([trade(1, 7), trade(2, "x-8"), quote(1), delta(2, 5, 6), snapshot(1, 4), marked(1), tick(3)])
        archive.take_states([snapshot(4, 6)])
        for event in (liquidation(1), candle(1), ratio, tick(5)):
            archive.accept(event)
    first, second = everything(tmp_path)
    assert (first["ts_event"], first["ts_recv"]) == (at(1), at(1) + 5_000_000)
    assert (first["venue"], first["instrument"], first["price"], first["size"], first["side"]) == (
        *("binance", BTC.id, 60_000.0, 1.0, "BUY"),
    )
    assert [(row["trade_number"], row["trade_text"]) for row in (first, second)] == [(7, None), (None, "x-8")]
    books = everything(tmp_path, Channel.BOOK)
    assert [(row["kind"], row["last_update_id"]) for row in books] == [("snapshot", 4), ("delta", 6), ("state", 6)]
    assert (books[1]["bid_prices"], books[1]["bid_sizes"], books[1]["ask_prices"]) == ([1.0, 0.9], [2.0, 0.0], [1.1])
    assert (books[0]["ask_prices"], books[1]["prev_update_id"]) == ([], 4)
    (bar,) = everything(tmp_path, Channel.CANDLES_1M)
    assert (bar["ts_open"], bar["high"], bar["trades"]) == (at(60), 3.0, 7)
    (told,) = everything(tmp_path, Channel.ACCOUNT_RATIOS)
    assert (told["kind"], told["long_fraction"]) == ("top_accounts", 0.5)
    (forced,) = everything(tmp_path, Channel.LIQUIDATIONS)
    assert (forced["position_side"], forced["bankruptcy_price"], forced["sampling"]) == ("LONG", 59_999.0, "largest_1s")
    assert len(everything(tmp_path, Channel.MARK_PRICES)) == len(everything(tmp_path, Channel.QUOTES)) == 1


def test_files_lie_by_venue_channel_symbol_and_day(tmp_path: Path) -> None:
    """A file's folder says what it holds, its metadata in which units; channels of few rows share one. Keeps B21."""
    midnight = 12 * 3600.0
    with closing(opened(tmp_path)) as archive:
        archive.take([trade(midnight - 0.5), trade(midnight), marked(1)])
        archive.accept(tick(midnight + 1))
    names = sorted(path.relative_to(tmp_path).as_posix().rsplit("/", 1)[0] for path in tmp_path.rglob("*.parquet"))
    assert names == [
        "binance/mark_prices/all/2024-08-08",
        "binance/trades/BTC-USDT-PERP/2024-08-08",
        "binance/trades/BTC-USDT-PERP/2024-08-09",
    ]
    (path,) = (tmp_path / "binance/trades/BTC-USDT-PERP/2024-08-09").glob("000000-*.parquet")
    told = pq.read_schema(path).metadata
    assert (told[b"perpscope.kind"], told[b"perpscope.version"]) == (b"observed", b"1")
    assert b'"size":"base units"' in told[b"perpscope.units"]


@pytest.mark.parametrize(
    ("name", "shift_s", "is_set_aside"),
    [
        ("an hour ahead", 3600, True),
        ("an hour behind", -3600, True),
        ("seconds for milliseconds", -1.7e9, True),
        ("a recorder 1.3 s behind", 1.3, False),
        ("a minute late", -60, False),
    ],
)
def test_absurd_times_go_to_quarantine(tmp_path: Path, name: str, shift_s: float, is_set_aside: bool) -> None:
    """A16: a time that cannot be right neither makes a day of its own nor is lost; what can be right stays."""
    odd = trade(shift_s, 1)
    received = trade(0, 1)
    event = type(odd)(odd.instrument, odd.ts_event, received.ts_recv, 1, odd.price, odd.size, odd.side, False)
    fill(tmp_path, [event])
    (path,) = tmp_path.rglob("*.parquet")
    assert path.relative_to(tmp_path).parts[0] == ("quarantine" if is_set_aside else "binance"), name
    assert path.parent.name == "2024-08-08"
    assert len(everything(tmp_path)) == (0 if is_set_aside else 1)


def test_coverage_goes_with_rows_and_restarts_leave_a_hole(tmp_path: Path) -> None:
    """E1: what is vouched for is in files; from one run's end to the next one's begin is a hole with its cause."""
    fill(tmp_path, [trade(1)], until=9)
    assert [(s.ts_from, s.ts_to, s.is_covered) for s in spans(tmp_path)] == [(at(0), at(9), True)]
    with closing(opened(tmp_path)) as archive:
        archive.take([trade(21)])
        archive.accept(covered(20, 25, streams=TRADES))
        archive.accept(gap(22, 23, "sequence", streams=TRADES))
        archive.accept(tick(25))
    told = [(s.ts_from, s.ts_to, s.cause) for s in spans(tmp_path)]
    assert told == [
        *((at(0), at(9), None), (at(9), at(20), "stopped")),
        *((at(20), at(22), None), (at(22), at(23), "sequence"), (at(23), at(25), None)),
    ]


def test_an_archive_has_one_kind_and_one_writer(tmp_path: Path) -> None:
    """Demo and observed data are never mixed, and two processes never write one archive."""
    with closing(opened(tmp_path)), pytest.raises(StoreError) as locked:
        opened(tmp_path)
    assert locked.value.code == "archive-locked"
    with pytest.raises(StoreError) as mixed:
        ParquetArchive.open(tmp_path, kind=StoreKind.DEMO)
    assert mixed.value.code == "archive-kind"
    with pytest.raises(DataError) as nothing:
        ArchiveReader(tmp_path / "elsewhere")
    assert nothing.value.code == "archive-missing"


def test_a_finished_day_becomes_one_file(tmp_path: Path) -> None:
    """Files are merged in order, rows a venue told twice are there once, and the old files are gone."""
    fill(tmp_path, [trade(3, 3), trade(1, 1)], [quote(1)])
    fill(tmp_path, [trade(2, 2), trade(3, 3), trade(4, 4)])
    with closing(Manifest.writing(tmp_path, None)) as manifest:
        done = list(compact(manifest, NOON + DAY))
        assert list(compact(manifest, NOON + DAY)) == []
    assert {(d.place.channel.value, d.files_before, d.rows, d.repeats) for d in done} == {
        ("trades", 2, 4, 1),
        ("quotes", 1, 1, 0),
    }
    assert [row["trade_number"] for row in everything(tmp_path)] == [1, 2, 3, 4]
    assert len(list(tmp_path.rglob("*.parquet"))) == 2


def test_old_days_go_first_and_are_remembered(tmp_path: Path) -> None:
    """By age or by size whole days go, never today's; what went is a hole with its cause."""
    fill(tmp_path, [trade(1)], until=9)
    day = 24 * 3600.0
    with closing(opened(tmp_path)) as archive:
        archive.take([trade(day + 1), trade(2 * day + 1)])
        archive.accept(tick(2 * day + 2))
    now = NOON + 2 * DAY
    with closing(Manifest.writing(tmp_path, None)) as manifest:
        assert list(expire(manifest, now, Keep())) == []
        assert list(expire(manifest, now, Keep(days=1))) == ["2024-08-08"]
        assert list(expire(manifest, now, Keep(quota_bytes=1))) == ["2024-08-09"]
        assert {day: why for day, (_, _, why) in manifest.gone_days.items()} == {
            "2024-08-08": "age",
            "2024-08-09": "quota",
        }
    assert [row["ts_event"] for row in everything(tmp_path)] == [at(2 * day + 1)]
    assert [(s.cause, s.ts_from, s.ts_to) for s in spans(tmp_path)] == [("expired", at(0), at(9))]


def torn(path: Path) -> None:
    """Half of it is missing."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garbage(path: Path) -> None:
    """Something else stands in the middle; length and ends are right."""
    content = bytearray(path.read_bytes())
    content[8:120] = bytes(112)
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [torn, garbage, Path.unlink], ids=["torn", "garbage", "gone"])
def test_f6_a_damaged_file_is_told_and_skipped(tmp_path: Path, damage: object) -> None:
    """F6: the rest is readable, `verify` names the file, and the next writer makes a hole of what it held."""
    fill(tmp_path, [trade(1, 1), trade(2, 2)])
    fill(tmp_path, [trade(11, 11)], until=19)
    (path,) = (tmp_path / "binance/trades/BTC-USDT-PERP/2024-08-08").glob("120001-*.parquet")
    damage(path)  # type: ignore[operator]  # one of the three
    with closing(ArchiveReader(tmp_path)) as reader:
        answer = reader.rows(Channel.TRADES, BTC.id, 0, 1 << 62)
        assert [row["trade_number"] for row in answer.table.to_pylist()] == [11]
        assert [path.name in bad for bad in answer.bad] == [True]
        assert list(verify(reader.manifest)) == [path.relative_to(tmp_path).as_posix()]
    with closing(Manifest.writing(tmp_path, None)) as manifest:
        assert [done.rows for done in compact(manifest, NOON + DAY)] == [1]
        assert verify(manifest) == {}
    assert ("damaged", at(1), at(2) + 1) in {(s.cause, s.ts_from, s.ts_to) for s in spans(tmp_path)}


def test_questions_are_answered_from_the_files(tmp_path: Path) -> None:
    """Any SELECT over the channels' views; liquidations by side and hour; bars from trades."""
    with closing(opened(tmp_path)) as archive:
        archive.take([trade(1, 1, price=10.0, size=2.0), trade(2, 2, price=12.0), trade(61, 3, price=9.0)])
        for event in (
            liquidation(1, 2.0, 100.0),
            liquidation(2, 1.0, 100.0, of=ETH.id),
            liquidation(3700, 1.0),
            tick(5),
        ):
            archive.accept(event)
    with closing(ArchiveReader(tmp_path)) as reader:
        answer = reader.select("SELECT count(*) AS n, sum(size) AS size FROM trades;")
        assert answer.table.to_pylist() == [{"n": 3, "size": 4.0}]
        cut = reader.select("SELECT * FROM trades ORDER BY ts_event", most=2)
        assert (len(cut.table), cut.is_cut) == (2, True)
        hours = sorted(reader.liquidations_by(at(0), at(3600)).table.to_pylist(), key=lambda row: row["instrument"])
        assert [(row["instrument"], row["position_side"], row["ts"], row["usd"]) for row in hours] == [
            (BTC.id, "LONG", NOON, 200.0),
            (ETH.id, "LONG", NOON, 100.0),
        ]
        bars = reader.bars(BTC.id, at(0), at(120), step_ns=60 * 10**9).table.to_pylist()
    shown = [(b["ts"], b["open"], b["high"], b["low"], b["close"], b["volume"], b["trades"]) for b in bars]
    assert shown == [(NOON, 10.0, 12.0, 10.0, 12.0, 3.0, 2), (at(60), 9.0, 9.0, 9.0, 9.0, 1.0, 1)]


@pytest.mark.parametrize(
    "sql",
    [
        "DROP VIEW trades",
        "SELECT 1; SELECT 2",
        "SELECT * FROM read_csv('/etc/hostname')",
        "COPY trades TO 'x.csv'",
        "SELECT nonsense FROM trades",
        "SELEC",
        "SET threads = 1",
        "ATTACH 'other.db'",
    ],
)
def test_a_question_can_do_nothing_else(tmp_path: Path, sql: str) -> None:
    """One SELECT over the archive and nothing else: no other file is read, none is written."""
    fill(tmp_path, [trade(1)])
    before = sorted(tmp_path.rglob("*"))
    with closing(ArchiveReader(tmp_path)) as reader, pytest.raises(PerpscopeError) as refused:
        reader.select(sql)
    assert refused.value.code == "archive-query"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_day_merged_under_a_readers_hands_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were merged into another between listing and reading are not missing: the answer is whole."""
    fill(tmp_path, [trade(1, 1)])
    fill(tmp_path, [trade(2, 2)])
    listed = ArchiveReader._entries
    merged: list[int] = []

    def merging(
        self: ArchiveReader, channel: Channel, low: int | None, high: int | None, of: InstrumentId | None
    ) -> list[Entry]:
        entries = listed(self, channel, low, high, of)
        if not merged:
            with closing(Manifest.writing(tmp_path, None)) as manifest:
                merged.extend(done.rows for done in compact(manifest, NOON + DAY))
        return entries

    monkeypatch.setattr(ArchiveReader, "_entries", merging)
    with closing(ArchiveReader(tmp_path)) as reader:
        answer = reader.rows(Channel.TRADES, BTC.id, 0, 1 << 62)
    assert merged == [2]
    assert [row["trade_number"] for row in answer.table.to_pylist()] == [1, 2]
    assert answer.bad == ()


def test_names_of_instruments_cannot_leave_the_folder(tmp_path: Path) -> None:
    """An instrument named like a path is a folder's name and no more."""
    odd = InstrumentId("../../up-USDT-PERP.BINANCE")
    with closing(opened(tmp_path / "a")) as archive:
        archive.take([trade(1, 1, of=odd)])
        archive.accept(tick(2))
    (path,) = tmp_path.rglob("*.parquet")
    assert path.relative_to(tmp_path / "a").parts[2] == "..%2F..%2Fup-USDT-PERP"
    assert [row["instrument"] for row in everything(tmp_path / "a")] == [odd]
