"""What is drawn on a terminal: within 80 columns, whatever the figures, and drawn anew in time."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from rich.console import Console

from perpscope.app.availability import availability
from perpscope.app.collect import Collector
from perpscope.app.replay import BookReport, ReplayReport
from perpscope.app.status import Database, FeedLine, Refusal, Status
from perpscope.cli import screen
from perpscope.cli.feed_tables import age, feed_table
from perpscope.cli.screen import Screen, print_replay, print_status
from perpscope.feeds.clock import wall_ns
from perpscope.model.bulletin import BusHealth
from perpscope.model.market import Completeness, Tick
from perpscope.model.stream import Channel
from perpscope.settings import Settings
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import EventCounts, FeedState, FeedStatus, HeartStatus, StoreKind, VenueCoverage

BIG = 1_234_567_890


def status(n: int = 12, symbols: int = 3, path: str = "market.db", kind: StoreKind = StoreKind.OBSERVED) -> Status:
    """A status with every state and every channel, and figures of this size."""
    states = list(FeedState)
    return Status(
        EventCounts(n, n, n, {f"{at}COINUSDT": n + at for at in range(symbols)}, {"BUY": n, "SELL": n}),
        [
            FeedLine("binance", channel, states[at % len(states)], None if at == 0 else n, n, n)
            for at, channel in enumerate(Channel)
        ],
        Database(path, n * 1000),
        kind,
    )


def drawn(shown: Status) -> list[str]:
    """The table as it is printed into a pipe."""
    out = io.StringIO()
    print_status(shown, json=False, out=out)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("n", [0, 12, BIG, BIG**2])
@pytest.mark.parametrize("symbols", [0, 1, 8, 9, 600])
@pytest.mark.parametrize("path", ["market.db", "/a/very/long" * 20 + "/market.db"])
def test_a_status_fits_80_columns(n: int, symbols: int, path: str) -> None:
    """Long paths are folded and not cut, many symbols are summed up, big figures keep the frame. Keeps S1-42."""
    lines = drawn(status(n, symbols, path))
    assert max(map(len, lines)) <= 80
    assert lines.count("─" * 80) == 2
    assert "".join(line.strip() for line in lines).endswith(path)
    assert any(line.strip().endswith("more") for line in lines) is (symbols > 8)


def test_figures_are_grouped_by_thousands() -> None:
    """Counts and sizes as in the document's example. Keeps S1-36, S1-39, S1-42."""
    text = "\n".join(drawn(status(12_345)))
    assert "total 12,345   last 24 h 12,345   last 1 h 12,345" in text
    assert "BUY (shorts liquidated) 12,345   SELL (longs liquidated) 12,345" in text
    assert "12.35 MB · 12,345 liquidations" in text


def test_the_busiest_symbols_come_first() -> None:
    """Ordered by count. Keeps S1-40."""
    text = "".join(drawn(status(5, symbols=3)))
    assert text.index("2COINUSDT 7") < text.index("1COINUSDT 6") < text.index("0COINUSDT 5")


@pytest.mark.parametrize(
    ("kind", "first"),
    [(StoreKind.DEMO, "DEMO DATA"), (StoreKind.REPLAY, "REPLAY of a recording"), (StoreKind.OBSERVED, "feed")],
)
def test_what_was_not_observed_is_labelled(kind: StoreKind, first: str) -> None:
    """The first line says what kind of data this is, where it is no real market; states are words beside glyphs."""
    lines = drawn(status(kind=kind))
    assert lines[0].startswith(first)
    for state in FeedState:
        assert any(state.value in line for line in lines)
    assert any("≤ 1 per symbol per s" in line for line in lines if "liquidations" in line)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        *((None, "—"), (0, "0.0 s"), (9_949, "9.9 s"), (10_000, "10 s"), (119_000, "119 s"), (120_000, "2 m 0 s")),
        *((3_599_000, "59 m 59 s"), (3_600_000, "1 h"), (86_400_000 * 30, "720 h")),
    ],
)
def test_ages_are_written_as_people_say_them(ms: int | None, text: str) -> None:
    """Seconds, then minutes, then hours."""
    assert age(ms) == text


def test_json_is_one_object_on_one_line() -> None:
    """Also where a path holds a line feed."""
    out = io.StringIO()
    print_status(status(path="a\nb"), json=True, out=out)
    assert out.getvalue().count("\n") == 1
    assert out.getvalue().startswith('{"events":{"total":12,')


def test_a_replay_report_names_everything_that_became_of_the_frames() -> None:
    """Each reason to ignore, each kind of event, the book; within 80 columns."""
    report = ReplayReport(
        *(BIG, BIG, 1, {"coin-m": BIG, "unlisted-channel": 2}, 3, {"trade": BIG, "quote": 5}, 6),
        book=BookReport(7, 6),
        seconds=1.234,
    )
    out = io.StringIO()
    print_replay(report, Path("/long" * 30), out=out)
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    for said in ("ignored: coin-m", "event: trade", "rejected", "6 of 7", "1.23", f"{BIG:,}"):
        assert said in text


class Terminal(io.StringIO):
    """A stdout that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def collector(tmp_path: Path) -> Collector:
    """A collector of whose store something can be read."""
    store = SqliteStore.open(tmp_path / "d.db", kind=StoreKind.DEMO)
    feeds = [FeedStatus("binance", Channel.TRADES, FeedState.LIVE, 1, 1234, 0)]
    store.report(feeds, HeartStatus(1, 1, wall_ns(), 1.0, True))
    store.sink().accept(Tick(1))
    store.close()
    return Collector(Settings(), database=tmp_path / "d.db")


def test_on_a_terminal_the_status_is_drawn_anew(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most once a second, in place."""
    out, now_s = Terminal(), 1000.0
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(screen, "time", SimpleNamespace(monotonic=lambda: now_s))
    with Screen(shown=True) as shown:
        shown.draw(collector)
        assert "1,234" not in out.getvalue()
        now_s += 1.1
        shown.draw(collector)
        assert out.getvalue().count("1,234") == 1
        shown.draw(collector)
        assert out.getvalue().count("1,234") == 1


def test_the_last_status_is_left_standing(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal in the place it was drawn; elsewhere, or as JSON, it is printed once."""
    out, printed = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    with Screen(shown=True) as shown:
        shown.finish(collector.status(), json=False, out=printed)
    assert "1,234" in out.getvalue()
    assert printed.getvalue() == ""
    with Screen(shown=False) as hidden:
        hidden.finish(collector.status(), json=True, out=printed)
    assert printed.getvalue().count("\n") == 1


def test_without_a_terminal_there_is_a_line_now_and_then(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each ten seconds on stderr; nothing at all where nothing is to be shown."""
    now_s = 1000.0
    monkeypatch.setattr(screen, "time", SimpleNamespace(monotonic=lambda: now_s))
    with Screen(shown=True) as shown, Screen(shown=False) as hidden:
        now_s += 9.0
        shown.draw(collector)
        now_s += 2.0
        shown.draw(collector)
        shown.draw(collector)
        hidden.draw(collector)
    captured = capsys.readouterr()
    assert captured.err == "1,234 events · 0 liquidations\n"
    assert captured.out == ""


def test_watching_goes_on_until_ctrl_c(collector: Collector, tmp_path: Path) -> None:
    """`status --watch` draws the store, and ends with 130."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PERPSCOPE_", "XDG_"))}
    with subprocess.Popen(
        [sys.executable, "-m", "perpscope", "status", "--watch", "--db", str(collector.database)],
        env={**kept, "HOME": str(tmp_path), "TTY_COMPATIBLE": "1", "TERM": "xterm", "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        seen = b""
        while seen.count(b"DEMO DATA") < 2:  # drawn, and drawn anew
            piece = os.read(process.stdout.fileno(), 4096)
            assert piece, (seen, process.stderr and process.stderr.read())
            seen += piece
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == b""


def test_several_venues_stand_side_by_side_in_eighty_columns() -> None:
    """A live feed shows its age, any other its word; what a venue does not offer is a dot; notes say what is told."""
    venues = ["binance", "bitget", "bybit", "hyperliquid", "okx"]
    feeds = [FeedLine(venue, channel, FeedState.LIVE, 171_000, 123_456, 0) for venue in venues for channel in Channel]
    feeds[0] = FeedLine("binance", Channel.TRADES, FeedState.SILENT, 9_000, 7, 3)
    feeds = [feed for feed in feeds if (feed.venue, feed.channel) != ("bybit", Channel.TAKER_VOLUME)]
    out = io.StringIO()
    Console(file=out, width=200).print(feed_table(feeds))
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert max(map(len, lines)) <= 80
    trades, taker, gaps = (line for line in lines if line.startswith(("trades", "taker_volume", "gaps")))
    assert "◌ silent" in trades
    assert trades.count("● 2 m 51 s") == 4
    assert "·" in taker
    assert gaps.split() == ["gaps", "3", "0", "0", "0", "0"]
    assert "bybit all of them" in out.getvalue()


def test_a_sum_over_a_hole_says_so() -> None:
    """Keeps B6. What was seen of the last 24 h stands under the counts where it was not all of it."""
    whole = status()
    short = {
        "binance": VenueCoverage(0.99, 1.0, Completeness.SAMPLED),
        "bybit": VenueCoverage(1.0, 1.0, Completeness.COMPLETE),
        "okx": VenueCoverage(None, None, None),
    }
    events = msgspec.structs.replace(whole.events, by_venue=short, has_holes_24h=True)
    assert not any("not whole" in line for line in drawn(whole))
    (line,) = (line for line in drawn(msgspec.structs.replace(whole, events=events)) if "not whole" in line)
    assert line == "not whole     last 24 h seen: binance 99.00 %, okx not known"
    many = {f"{name}-with-a-long-name": VenueCoverage(0.99, 1.0, Completeness.SAMPLED) for name in short}
    events = msgspec.structs.replace(events, by_venue=many)
    assert max(map(len, drawn(msgspec.structs.replace(whole, events=events)))) <= 80


def test_how_venues_tell_what_fits_eighty_columns() -> None:
    """Five venues side by side: streamed, each so many seconds, only afterwards, or a dot."""
    told = [(venue, Channel.TRADES) for venue in ("binance", "bitget", "bybit", "hyperliquid", "okx")]
    lines = drawn(msgspec.structs.replace(status(), availability=availability(told)))
    assert max(map(len, lines)) <= 80
    (interest,) = (line.split() for line in lines if line.startswith("open_interest") and "60 s" in line)
    assert interest == ["open_interest", "60", "s", "streamed", "streamed", "streamed", "streamed"]
    (taker,) = (line.split() for line in lines if line.startswith("taker_volume") and "300 s" in line)
    assert taker == ["taker_volume", "300", "s", "300", "s", "·", "·", "300", "s"]


def test_the_day_that_was_seen_stands_beside_each_feed() -> None:
    """A share, rounded down, and below it the stream seen least; of several venues the least of each. Keeps B6."""
    one = [FeedLine("binance", Channel.TRADES, FeedState.LIVE, 1, 1, 0, 0.99999, 0.98, "SOL-USDT-PERP.BINANCE")]
    two = [
        *one,
        FeedLine("okx", Channel.TRADES, FeedState.LIVE, 1, 1, 0),
        FeedLine("okx", Channel.BOOK, FeedState.LIVE, 1, 1, 0, 0.5, 0.5),
    ]
    alone = ["99.99 %", "  least SOL-USDT-PERP.BINANCE", "98.00 %"]
    for feeds, expected in ((one, alone), (two, ["24 h, least", "98.00 %", "50.00 %"])):
        out = io.StringIO()
        Console(file=out, width=80).print(feed_table(feeds))
        for word in expected:
            assert word in out.getvalue()


def test_who_refuses_is_told_with_the_time() -> None:
    """Keeps B14. Until when nothing is sent, in UTC, and the venue's words; a wide reason does not tear the table."""
    refused = [Refusal("binance", 1_790_757_203_016, "binance answered 418: Way too many requests; banned")]
    lines = drawn(msgspec.structs.replace(status(), refused=refused))
    assert max(map(len, lines)) <= 80
    at = next(at for at, line in enumerate(lines) if line.startswith("binance refuses"))
    assert lines[at].startswith("binance refuses until 2026-09-30 08:33:23 UTC: binance answered 418: Way too")
    assert not any("refuses" in line for line in drawn(status()))


def test_a_bus_that_is_down_is_told_and_no_other() -> None:
    """The heart goes on, but whoever looks at a face sees old figures: the terminal says so."""
    down = msgspec.structs.replace(status(), bus=BusHealth(is_connected=False, why="connection refused"))
    assert "faces are not told anything: connection refused" in drawn(down)
    well = msgspec.structs.replace(status(), bus=BusHealth(is_connected=True))
    assert not any("faces" in line for told in (well, status()) for line in drawn(told))


def test_a_venue_without_liquidations_is_not_said_to_tell_any() -> None:
    """Hyperliquid shows none unless accounts are followed: then there is nothing to remark on."""
    feeds = [
        FeedLine(venue, channel, FeedState.LIVE, 1, 1, 0)
        for venue, channel in (("hyperliquid", Channel.TRADES), ("okx", Channel.LIQUIDATIONS))
    ]
    out = io.StringIO()
    Console(file=out, width=80).print(feed_table(feeds))
    assert "okx not all of them" in out.getvalue()
    assert "followed accounts" not in out.getvalue()
