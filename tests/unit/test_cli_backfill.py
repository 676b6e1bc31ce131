"""`perpscope backfill` as a person types it: what it refuses, and what it prints."""

from pathlib import Path

import pytest

from perpscope.app.backfill_errand import Report, SeriesReport
from perpscope.app.backfill_once import channels_named
from perpscope.cli import backfilling
from perpscope.errors import ConfigError
from perpscope.model.stream import Channel


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"days": 3.0, "from_": "2026-01-01"}, "--days and --from"),
        ({"from_": "2026-02-01", "to": "2026-01-01"}, "is not before"),
        ({"from_": "yesterday"}, "'yesterday' is no moment"),
        ({"series": "quotes"}, "'quotes' cannot be asked for"),
    ],
    ids=["both", "backwards", "words", "series"],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, object], words: str
) -> None:
    """Nothing is asked, and the message has the value. Keeps S2-60."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=words):
        backfilling.backfill(**given, db=tmp_path / "d.db")  # type: ignore[arg-type]  # by name


def test_series_go_by_the_names_of_channels() -> None:
    """Those that any venue can be asked for. Keeps S2-60."""
    assert channels_named(["candles_1m", "funding"]) == (Channel.CANDLES_1M, Channel.FUNDING)
    assert channels_named([]) == ()


def test_a_moment_is_utc_unless_it_says_otherwise() -> None:
    """Dates and times, with an offset or without. Keeps S2-60."""
    new_year = 1_767_225_600 * 10**9
    assert backfilling._moment("--from", "2026-01-01") == new_year
    assert backfilling._moment("--from", "2026-01-01T02:00+02:00") == new_year
    assert backfilling._moment("--to", None) is None


def test_people_read_a_line_for_each_series(capsys: pytest.CaptureFixture[str]) -> None:
    """All symbols together, what failed, and what cannot be had. Keeps S2-60."""
    minute = SeriesReport("binance", "BTCUSDT", Channel.CANDLES_1M, 3, 2880, 1_767_225_600_000, 2, True, None, None)
    failed = SeriesReport("binance", "ETHUSDT", Channel.CANDLES_1M, 1, 0, None, None, False, None, "no answer")
    report = Report(
        [minute, failed], {"binance": [Channel.QUOTES], "okx": []}, 4, 2880, 1.0, by_collector=True, notes=["okx: none"]
    )
    backfilling._print(report)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["binance", "candles_1m", "2", "4", "2,880", "2026-01-01", "00:00", "no"]
    assert lines[2:] == [
        "binance ETHUSDT candles_1m: no answer",
        "quotes of binance cannot be asked for afterwards",
        "okx: none",
        "2,880 rows told in 4 calls by the collector that writes the database",
    ]
    assert all(len(line) <= 80 for line in lines)


def test_the_bar_says_lines_also_where_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal above the bar, elsewhere on stderr. Keeps S2-60."""
    for shown in (False, True):
        with backfilling._Bar(shown=shown) as bar:
            bar.draw(Report([], {}, 0, 1234, 0.5))
            bar.say(f"shown {shown}")
    told = capsys.readouterr().err
    assert "shown False" in told
    assert "shown True" in told
