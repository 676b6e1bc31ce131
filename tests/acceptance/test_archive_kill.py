"""`kill -9` while archiving: no torn file is ever seen, each archived row is there once, and the rest is a hole."""

import asyncio
import json
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from perpscope.errors import PerpscopeError
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Source
from perpscope.model.stream import Channel, Stream
from perpscope.stores.archive.ledger import Interval, ledger
from perpscope.stores.archive.manifest import Manifest
from perpscope.stores.archive.query import ArchiveReader, verify
from perpscope.stores.archive.recovery import recover
from perpscope.stores.archive.upkeep import compact
from tests.acceptance.laboratory import heart

Wait = Callable[[Callable[[], bool]], Awaitable[None]]

_RATE = 10.0
_ON_ITS_WAY_NS = 2_000_000_000
_BTC = InstrumentId("BTC-USDT-PERP.BINANCE")


class _Trade(msgspec.Struct):
    e: str = ""
    s: str = ""
    a: int = 0  #: id of an aggregate
    T: int = 0  #: ms UTC


_read = msgspec.json.Decoder(_Trade).decode


@pytest.mark.parametrize("seed", [1])
async def test_kills_leave_no_torn_file(tmp_path: Path, eventually: Wait, seed: int) -> None:
    """E1, F6: two kills; the lab's ledger is the judge of what the archive vouches for. Keeps B21."""
    await _survive(tmp_path, eventually, seed, kills=2)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [2])
async def test_many_kills_leave_no_torn_file(tmp_path: Path, eventually: Wait, seed: int) -> None:
    """Ten kills."""
    await _survive(tmp_path, eventually, seed, kills=10)


async def _survive(folder: Path, eventually: Wait, seed: int, kills: int) -> None:
    rng = random.Random(seed)
    database, archive = folder / "d.db", folder / "archive"
    variables = {"PERPSCOPE_ARCHIVE__FOLDER": str(archive), "PERPSCOPE_ARCHIVE__FILE_S": "3"}
    async with await serve_market(seed, _RATE, symbols=("BTCUSDT", "ETHUSDT"), keep_rows=3_000_000) as lab:
        for _ in range(kills):
            async with heart(lab, database, **variables) as process:
                before = _seen_s(archive)
                await eventually(lambda b=before: _seen_s(archive) > b + 3.0)  # type: ignore[misc]  # bound on purpose
                await asyncio.sleep(rng.uniform(0.0, 0.6))
                process.send_signal(signal.SIGKILL)
                await process.wait()
            await eventually(lambda: lab.server.subscribed == 0)
            _assert_readable(archive)
        async with heart(lab, database, **variables) as process:
            before = _seen_s(archive)
            await eventually(lambda: _seen_s(archive) > before + 10.0)
            process.send_signal(signal.SIGTERM)
            assert process.stdout is not None
            json.loads(await process.stdout.read())
            assert await process.wait() == 0
        _judge(lab, archive, kills)


def _seen_s(archive: Path) -> float:
    """Market seconds of trades, heard as they came, that the manifest vouches for."""
    try:
        with closing(Manifest.reading(archive)) as manifest:
            heard = [row for row in manifest.covered() if row.stream == _STREAM and row.source is Source.STREAM]
    except PerpscopeError:
        return 0.0
    return sum(row.ts_to - row.ts_from for row in heard) / 1e9


def _assert_readable(archive: Path) -> None:
    """A reader that comes between a kill and the next start finds every named file whole."""
    with closing(ArchiveReader(archive)) as reader:
        assert verify(reader.manifest) == {}


def _judge(lab: Lab, archive: Path, kills: int) -> None:
    with closing(Manifest.writing(archive, None)) as manifest:
        assert recover(manifest) == [], "the last run ended in good order"
        assert not list(archive.rglob("*.tmp"))
        covered = _vouched(manifest)
        restarts: dict[int, int] = {}  # end → begin; the store's own, shorter hole ends at the same moment
        for gap in manifest.gaps():
            if gap.cause == "restart" and gap.stream == _STREAM and gap.ts_to is not None:
                restarts[gap.ts_to] = min(gap.ts_from, restarts.get(gap.ts_to, gap.ts_from))
        files = len(manifest.entries())
    assert len(restarts) == kills, "each kill is a hole of the archive's own"
    with closing(ArchiveReader(archive)) as reader:
        trades = reader.rows(Channel.TRADES, _BTC, 0, 1 << 62).table.to_pylist()
    times = Counter(row["trade_number"] for row in trades)
    assert max(times.values()) == 1, "a row is there twice"
    # A trade later on its way than what is asked for before a hole (2 s) may fall between what came and what was asked.
    sent = {trade.a: at for trade, at in _sent(lab) if at - trade.T * 1_000_000 < _ON_ITS_WAY_NS}
    asked = times.keys() - sent.keys()  # while nobody was there, and asked for afterwards
    vouched = {number for number, at in sent.items() if any(low <= at < high for low, high in covered)}
    missing = vouched - times.keys()
    hole_s = [(ts_to - ts_from) / 1e9 for ts_to, ts_from in restarts.items()]
    print(
        f"{kills} kills: {files} files, none torn; {len(sent):,} trades sent, {len(times):,} archived once "
        f"({len(asked):,} asked for afterwards), "
        f"{len(vouched):,} vouched for, {len(missing)} of them missing; holes of {max(hole_s):.1f} market s at most"
    )
    assert vouched
    assert not missing
    with closing(Manifest.writing(archive, None)) as manifest:
        assert sum(done.repeats for done in compact(manifest, 1 << 62) if done.place.channel is Channel.TRADES) == 0


_STREAM = Stream(Channel.TRADES, _BTC)


def _vouched(manifest: Manifest) -> list[Interval]:
    spans = (span for span in ledger(manifest) if span.is_covered)
    found = (s for s in spans if (s.channel, s.instrument) == (_STREAM.channel, _STREAM.instrument))
    return [(span.ts_from, span.ts_to or 0) for span in found]


def _sent(lab: Lab) -> list[tuple[_Trade, int]]:
    """BTC's trades as the lab sent them to whoever was there, and when; market time."""
    return [
        (_read(row.payload), row.market_ns)
        for row in lab.ledger.rows
        if row.stream.lower().startswith("btcusdt@aggtrade")
    ]
