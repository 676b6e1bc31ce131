"""What reading commands answer from a store: the figures of the API's own readers, in both languages."""

from pathlib import Path

import pytest
from tests.unit.faced_market import shared_market

from perpscope.app.liqmap.parts import Question
from perpscope.app.liqmap.reading import read_map
from perpscope.app.sentiment.reading import read_sentiment
from perpscope.app.status import read_status
from perpscope.app.totals.reading import read_totals
from perpscope.lab.telegram.markup import parse_html
from perpscope.notify.figures import price
from perpscope.notify.phrases import Language
from perpscope.notify.questions import Questions, hours_in
from perpscope.reports import numerals
from perpscope.settings import Settings


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten hours of a made-up market."""
    return shared_market(tmp_path_factory)


def asked(path: Path | None, command: str, language: Language = "en") -> str:
    """The answer, as a chat shows it."""
    name, *words = command.split()
    questions = Questions(path, Settings(), language)
    assert questions.knows(name)
    return parse_html(questions.answer(name, words)).text.replace("\u2009", " ")


def test_status_is_the_status(store: Path) -> None:
    """Feeds by venue and counts are those of `perpscope status`, and it is said that the data is made up."""
    told, text = read_status(store, Settings()), asked(store, "status")
    assert text.startswith("DEMO DATA · collector")
    assert f"liquidations stored: {told.events.total:,}, last 24 h {told.events.last_24h:,}" in text
    assert {line.split()[1] for line in text.splitlines() if line[0] in "●◐"} == {feed.venue for feed in told.feeds}


def test_map_is_the_map(store: Path) -> None:
    """Clusters and what-ifs are those of `/api/v1/liquidation-map`; nothing in it claims to be observed."""
    found = read_map(store, Question(name="BTC", top=4, moves=(-0.03, 0.03)))
    lines = asked(store, "map btc").splitlines()
    assert lines[0] == "DEMO DATA"
    assert lines[1] == f"BTC {price(found.summary.price)} · liquidation map MODEL"
    for cluster in found.clusters:
        assert any(line.startswith(price(cluster.peak)) and numerals.usd(cluster.usd) in line for line in lines)
    falls, rises = found.what_if
    assert f"if the price falls 3.00 % → about {numerals.usd(falls.usd)} of longs" in lines
    assert f"if it rises 3.00 % → about {numerals.usd(rises.usd)} of shorts" in lines
    assert lines[-1].endswith("an estimate, no forecast of the price")
    assert asked(store, "map", "ko").splitlines()[1].endswith("청산 맵 MODEL 추정")


def test_liq_is_the_tape(store: Path) -> None:
    """Observed and estimated stand side by side and are told apart, over as long as was asked for."""
    found = read_totals(store, symbol="BTC", hours=6.0, last=0)
    text = asked(store, "liq BTC 6h")
    assert "Liquidations of the last 6 h · BTC" in text
    long, short = (numerals.usd(side.observed_usd) for side in (found.total.long, found.total.short))
    assert f"▼ longs {long} · ▲ shorts {short} DEMO DATA" in text
    if found.total.both.estimated_usd is not None and found.total.both.high_usd is not None:
        assert f"about {numerals.usd(found.total.both.estimated_usd)}" in text
    assert "a floor" in text
    assert "Liquidations of the last 1 h" in asked(store, "liq")


def test_sentiment_is_the_sentiment(store: Path) -> None:
    """Index and label are those of `/api/v1/market-sentiment`."""
    found = read_sentiment(store, "BTC").sentiment
    text = asked(store, "sentiment BTC")
    value, label = ("—", "—") if found.value is None else (f"{found.value:.0f}", found.label)
    assert f"BTC sentiment about {value} of 100: {label} MODEL" in text
    assert "DEMO DATA" in asked(store, "sentiment", "ko")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("map NOSUCHCOIN", "error symbol-unknown: nothing is known of 'NOSUCHCOIN'"),
        ("map <b>x</b>", "error symbol-unknown: nothing is known of '<b>x</b>'"),
        ("map ../../etc/passwd", "error symbol-unknown: nothing is known of '../../etc/passwd'"),
        ("map SOL", "nothing is known of 'SOL'"),
    ],
    ids=["unknown", "markup", "path", "collected-but-not-stored"],
)
def test_what_cannot_be_answered_is_told(store: Path, command: str, answer: str) -> None:
    """A wrong word gets the house's error, shown as it was written."""
    text = asked(store, command)
    assert answer in text or "SOL" in text


def test_no_store_yet_is_told(tmp_path: Path) -> None:
    """A face without a store, and one whose store is still to be made, answer all the same."""
    assert asked(None, "map").startswith("This face has no database")
    assert "there is no database yet" in asked(tmp_path / "none.db", "map BTC")
    assert "error store-missing" in asked(tmp_path / "none.db", "status")


def test_lengths_of_time() -> None:
    """30m, 1h and 2d, bounded; 0 is none."""
    assert [hours_in(word) for word in ("30m", "1h", "2D", "999d", "0h", "h", "1w", "-1h")] == [
        *(0.5, 1.0, 48.0, 720.0),
        *(None, None, None, None),
    ]
