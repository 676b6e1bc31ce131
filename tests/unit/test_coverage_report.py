"""`perpscope coverage`: intervals that follow one another, gaps that stay gaps when filled, and plain words."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.store_events import (
    BTC,
    ETH,
    HOUR,
    at,
    covered,
    filled,
    gap,
    heart,
    liquidation,
    tick,
)

import perpscope
from perpscope.app.availability import KINDS, availability
from perpscope.app.coverage import Interval, read_coverage
from perpscope.cli.coverage import _length
from perpscope.cli.main import run
from perpscope.errors import ConfigError, DataError
from perpscope.model.market import Completeness, RatioKind, Source
from perpscope.model.stream import Channel, Stream
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

CANDLES = (Stream(Channel.CANDLES_1M, BTC.id),)
NOW = 3600 * 24


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A day of liquidations and an hour of candles, each with a hole; half of the candles' was filled."""
    path = tmp_path / "market.db"
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        store.register([BTC, ETH])
        for event in (
            *(covered(0, 7200, is_open=False), gap(7200, 10_800), covered(10_800, NOW)),
            *(covered(NOW - 3600, NOW - 1800, streams=CANDLES, is_open=False), gap(NOW - 1800, None, streams=CANDLES)),
            *(liquidation(60), liquidation(NOW - 60)),
        ):
            store.sink().accept(event)
        store.backfill_sink().accept(filled(NOW - 1800, NOW - 900, streams=CANDLES))
        store.backfill_sink().accept(filled(NOW - 7200, NOW - 3000, streams=CANDLES))
        store.report([], heart(NOW))
        store.sink().accept(tick(NOW))
    return path


def told(interval: Interval) -> tuple[float, float, str, str | None, bool, Source | None, bool]:
    """An interval in hours after noon."""
    begin, end = ((ms * 1_000_000 - at(0)) / HOUR for ms in (interval.from_ms, interval.to_ms))
    return begin, end, interval.state, interval.cause, interval.repaired, interval.source, interval.lost


def test_intervals_follow_one_another(path: Path) -> None:
    """Keeps B6. A gap is cut where it was filled and stays a gap; beyond gaps, what was filled is covered."""
    report = read_coverage(path)
    assert (report.from_ms, report.to_ms, report.data) == (at(0) // 10**6, at(NOW) // 10**6, StoreKind.DEMO)
    assert {interval.venue for interval in report.intervals} == {"binance"}
    candles = [told(one) for one in report.intervals if one.channel is Channel.CANDLES_1M]
    assert candles == [
        (22.0, 23.0, "covered", None, False, Source.BACKFILL, False),
        (23.0, 23.5, "covered", None, False, Source.STREAM, False),
        (23.5, 23.75, "gap", "disconnect", True, Source.BACKFILL, False),
        (23.75, 24.0, "gap", "disconnect", False, None, False),
    ]
    forced = [one for one in report.intervals if one.channel is Channel.LIQUIDATIONS]
    assert [told(one) for one in forced] == [
        (0.0, 2.0, "covered", None, False, Source.STREAM, False),
        (2.0, 3.0, "gap", "disconnect", False, None, True),
        (3.0, 24.0, "covered", None, False, Source.STREAM, False),
    ]
    assert {one.completeness for one in forced} == {Completeness.SAMPLED}


def test_each_stream_is_summed_up(path: Path) -> None:
    """Keeps B6. Parts of one gap count once; lost is what no venue gives back, candles can be asked for."""
    forced, candles = sorted(read_coverage(path).streams, key=lambda stream: stream.channel.value, reverse=True)
    assert (forced.gaps, forced.gap_ms, forced.longest_gap_ms) == (1, 3_600_000, 3_600_000)
    assert (forced.repaired_ms, forced.lost_ms) == (0, 3_600_000)
    assert forced.share == forced.share_24h == pytest.approx(23 / 24)
    assert (candles.gaps, candles.gap_ms, candles.longest_gap_ms) == (1, 1_800_000, 1_800_000)
    assert (candles.repaired_ms, candles.lost_ms) == (900_000, 0)
    assert candles.share == pytest.approx(1.75 / 24)


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        pytest.param({}, 7, id="everything"),
        pytest.param({"venue": "okx"}, 0, id="another venue"),
        pytest.param({"channel": "liquidations"}, 3, id="a channel"),
        pytest.param({"symbol": "BTC"}, 7, id="a coin, and what is about every coin"),
        pytest.param({"symbol": "ethusdt"}, 3, id="another coin"),
        pytest.param({"symbol": "btc-usdt-perp.binance", "channel": "candles_1m"}, 4, id="an id"),
        pytest.param({"hours": 0.5}, 3, id="half an hour"),
        pytest.param({"gaps_only": True}, 3, id="gaps"),
        pytest.param({"limit": 2}, 2, id="the newest"),
        pytest.param({"from_ns": at(0), "to_ns": at(3600)}, 1, id="a span"),
        pytest.param({"venue": "binance", "symbol": "BTCUSDT", "channel": "trades"}, 0, id="nothing"),
    ],
)
def test_what_is_asked_for_is_told(path: Path, asked: dict[str, object], count: int) -> None:
    """Filters narrow, the limit keeps the newest and says how many it left out."""
    report = read_coverage(path, **asked)  # type: ignore[arg-type]  # each is right for its name
    assert len(report.intervals) == count
    assert report.omitted == (5 if asked == {"limit": 2} else 0)
    if asked == {"limit": 2}:
        assert {told(one)[1] for one in report.intervals} == {24.0}


def test_a_span_that_is_over_is_judged_whole(path: Path) -> None:
    """Nothing of it is left out as too fresh to be known."""
    (forced,) = read_coverage(path, from_ns=at(3600), to_ns=at(10_800)).streams[-1:]
    assert forced.share == 0.5


@pytest.mark.parametrize(
    "asked",
    [{"hours": 0.0}, {"limit": 0}, {"channel": "liquidation"}, {"channel": "xyzzy"}, {"from_ns": 5, "to_ns": 4}],
    ids=str,
)
def test_questions_without_sense_are_refused(path: Path, asked: dict[str, object]) -> None:
    """With the value and what would be right."""
    with pytest.raises(ConfigError) as caught:
        read_coverage(path, **asked)  # type: ignore[arg-type]  # each is right for its name
    assert caught.value.code == "option-value"


def test_no_store_no_report(tmp_path: Path) -> None:
    """The same error as everywhere."""
    with pytest.raises(DataError, match="no database"):
        read_coverage(tmp_path / "none.db")


def test_the_json_contract(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keeps B6. The keys programs rely on, for every interval."""
    assert run(["coverage", "--db", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    keys = {"venue", "channel", "instrument", "from_ms", "to_ms", "state", "cause", "repaired"}
    assert len(found["intervals"]) == 7
    for interval in found["intervals"]:
        assert keys | {"source", "completeness", "lost"} == set(interval)
        assert interval["state"] in {"covered", "gap"}
    assert run(["coverage", "--db", str(path), "--json", "--gaps", "--symbol", "ETH"]) == 0
    (hole,) = json.loads(capsys.readouterr().out)["intervals"]
    assert (hole["cause"], hole["repaired"], hole["lost"]) == ("disconnect", False, True)


def test_plain_words_in_eighty_columns(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each stream with its shares; each gap with what became of it; nothing known is said so."""
    for words in ([], ["--hours", "48"], ["--gaps"], ["--gaps", "--limit", "1"], ["--venue", "okx"]):
        assert run(["coverage", "--db", str(path), *words]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= 80
        text = "\n".join(lines)
        if words == []:
            assert "95.83 %" in text
            assert "lost: no venue gives it back" in text
        elif words == ["--gaps"]:
            assert [word for word in ("repaired", "missed", "lost") if word in text] == ["repaired", "missed", "lost"]
        elif words[-1] == "1":
            assert "and 2 older ones (--limit)" in text
        elif words[-1] == "okx":
            assert "nothing is known" in text


def test_lengths_are_short() -> None:
    """Seconds, minutes, hours."""
    assert [_length(ms) for ms in (0, 119_000, 7_000_000, 7_200_000)] == ["—", "119 s", "117 m", "2.0 h"]


def test_many_streams_share_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keeps B6. Hundreds of symbols are a line for each channel; the one seen least is named below."""
    path = tmp_path / "market.db"
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        for number in range(100):
            stream = (Stream(Channel.TRADES, f"C{number}-USDT-PERP.BINANCE"),)  # type: ignore[arg-type]  # made up
            store.sink().accept(covered(number, 3600, streams=stream))
        store.report([], heart(3600))
        store.sink().accept(tick(3600))
    assert run(["coverage", "--db", str(path), "--hours", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].split()[2:6] == ["4.10", "%", "98.62", "%"]  # (3600 - 49.5) / 86,400 and / 3600
    assert lines[2].split() == ["least", "C99-USDT-PERP.BINANCE", "4.05", "%", "97.25", "%"]  # 3600 - 99


def test_a_program_asks_the_same(path: Path) -> None:
    """`perpscope.open(path).coverage()` is what the command prints."""
    with perpscope.open(path) as store:
        assert store.coverage() == read_coverage(path)
        assert len(store.coverage("binance", "liquidations", "BTC", 0.5, limit=1).intervals) == 1


@pytest.mark.parametrize("venue", ["binance", "bitget", "bybit", "hyperliquid", "okx"])
def test_the_matrix_says_how_each_venue_tells_what(venue: str) -> None:
    """Keeps S2-37, S2-39. Open interest each minute or streamed; ratios and taker volume each five minutes or never."""
    lines = {(line.channel, line.kind): line for line in availability([(venue, Channel.TRADES)])}
    assert list(lines) == [(series.channel, series.kind) for series in KINDS]
    interest = lines[Channel.OPEN_INTEREST, None]
    assert (interest.how, interest.every_s) == (("polled", 60.0) if venue == "binance" else ("streamed", None))
    ratios = {kind.value for kind in RatioKind if lines[Channel.ACCOUNT_RATIOS, kind].how == "polled"}
    assert (
        ratios
        == {
            "binance": {"all_accounts", "top_accounts", "top_positions"},
            "okx": {"all_accounts", "top_accounts", "top_positions"},
            "bitget": {"all_accounts", "all_positions"},
            "bybit": {"all_accounts"},
            "hyperliquid": set(),
        }[venue]
    )
    assert {line.every_s for key, line in lines.items() if key[0] is Channel.ACCOUNT_RATIOS} <= {300.0, None}
    taker = "polled" if venue in {"binance", "bitget", "okx"} else "not published"
    assert lines[Channel.TAKER_VOLUME, None].how == taker
    forced = "not published" if venue == "hyperliquid" else "streamed"
    assert lines[Channel.LIQUIDATIONS, None].how == forced


def test_what_is_told_of_followed_accounts_and_by_ccxt() -> None:
    """A feed in the store shows what a venue tells by these settings; ccxt is known by its feeds alone."""
    told = [("hyperliquid", Channel.LIQUIDATIONS), ("ccxt-gate", Channel.OPEN_INTEREST)]
    lines = {(line.venue, line.channel): line.how for line in availability(told) if line.kind is None}
    assert lines["hyperliquid", Channel.LIQUIDATIONS] == "streamed"
    assert lines["ccxt-gate", Channel.OPEN_INTEREST] == "polled"
    assert lines["ccxt-gate", Channel.TAKER_VOLUME] == "not published"


def test_a_ratio_nobody_publishes_is_not_called_streamed() -> None:
    """Binance asks for three kinds of ratio; that there is a fourth elsewhere does not make it one of Binance's."""
    lines = availability([("binance", Channel.ACCOUNT_RATIOS)])
    how = {line.kind: line.how for line in lines if line.channel is Channel.ACCOUNT_RATIOS}
    assert how.pop(RatioKind.ALL_POSITIONS) == "not published"
    assert set(how.values()) == {"polled"}
