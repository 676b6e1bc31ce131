"""The overview over HTTP: one row for each coin, figures of now and of then, and what is kept beside them."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import structlog
from tests.contract.store_events import NOON
from tests.unit.faced_market import BINANCE, MINUTES, Face, ms, shared_market
from tests.unit.kept_market import MINUTE

from perpscope.app.answers.kept_figures import KeptFigures, nearest_of
from perpscope.app.answers.overview import read_overview
from perpscope.app.liqmap.parts import Question
from perpscope.app.liqmap.reading import read_map
from perpscope.app.sentiment.reading import read_sentiment
from perpscope.app.totals.reading import read_totals, read_windows
from perpscope.errors import ConfigError
from perpscope.settings import Settings
from perpscope.stores.day_rows import DayRows
from perpscope.stores.reader import SqliteReader
from perpscope.web.answers import encode

_NAME = ("binance", BINANCE.symbol)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten hours of two venues."""
    return shared_market(tmp_path_factory)


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """The log as it was."""
    yield
    structlog.reset_defaults()


def settled(face: Face, what: str, deadline_s: float = 60.0) -> dict[str, object]:
    """The first row, once a figure of it was tried."""
    until = time.monotonic() + deadline_s
    while True:
        body = msgspec.json.decode(encode(face.made("overview", "symbols=BTC")))
        row: dict[str, object] = body["coins"][0]
        notes = row["notes"]
        assert isinstance(notes, list)
        if f"{what}: not reckoned yet" not in notes or time.monotonic() > until:
            return row
        time.sleep(0.05)


def test_a_row_is_what_the_store_holds(store: Path) -> None:
    """The newest mark, open interest of all venues in dollars, and funding as of 8 hours with its range."""
    row = Face(store).ask("overview")["coins"][0]
    assert row["coin"] == "BTC"
    with SqliteReader.open(store) as reader:
        listed = [i for i in reader.instruments() if i.is_perpetual]
        marks = {i.id: reader.marks(i.id, limit=1)[0] for i in listed}
        held = {i.id: reader.open_interest(i.venue, i.symbol, limit=1)[0] for i in listed}
    usd = {name: one.open_interest * marks[name].mark for name, one in held.items()}
    chosen = max(usd, key=lambda name: usd[name])
    assert (row["price"]["instrument"], row["price"]["price"]) == (chosen, marks[chosen].mark)
    assert row["open_interest"]["usd"] == pytest.approx(sum(usd.values()))
    assert (row["open_interest"]["of_venues"], row["open_interest"]["compared"]) == (len(usd), 0)
    rates = {
        i.id: rate * 8.0 / i.funding_interval_h
        for i in listed
        if (rate := marks[i.id].funding_rate) is not None and i.funding_interval_h
    }
    if rates:
        mean = sum(rate * usd[name] for name, rate in rates.items()) / sum(usd[name] for name in rates)
        assert row["funding"]["rate_8h"] == pytest.approx(mean)
        assert (row["funding"]["low_8h"], row["funding"]["high_8h"]) == (min(rates.values()), max(rates.values()))
    else:
        assert row["funding"] is None
    assert {one["venue"] for one in row["venues"]} == {i.venue for i in listed}


def test_a_change_is_never_a_guess(store: Path) -> None:
    """An hour is known and a day is not: null, and since when there is any history."""
    price = Face(store).ask("overview")["coins"][0]["price"]
    assert price["change_24h"] is None
    assert price["since_ms"] == ms(0)
    assert len(price["closes"]) <= 48
    assert price["low_24h"] <= price["price"] <= price["high_24h"]
    with DayRows.open(store) as rows:
        then = rows.close("candles_1m", _NAME, NOON + (MINUTES - 60) * MINUTE, 10 * MINUTE)
    if then is None:
        assert price["change_1h"] is None
    else:
        assert price["change_1h"] == pytest.approx(price["price"] / then - 1.0)


def test_steps_of_a_day_are_the_candles_together(store: Path) -> None:
    """Highest, lowest and last of each half hour, as the candles have them."""
    start = NOON
    with DayRows.open(store) as rows, SqliteReader.open(store) as reader:
        steps = rows.steps("premium_index", _NAME, start, start + 60 * MINUTE, 30 * MINUTE)
        marks = [one for one in reader.marks(BINANCE.id, limit=10_000) if one.ts_event < start + 60 * MINUTE]
        assert rows.first("premium_index", ("binance", "NOPE")) is None
        assert rows.mark(("binance", "NOPE"), 0) is None
        assert rows.held(("binance", "NOPE"), 2**62, 2**62) is None
    assert max(step.high for step in steps) == max(one.mark for one in marks)
    assert min(step.low for step in steps) == min(one.mark for one in marks)
    assert steps[-1].close == marks[-1].mark
    assert [step.start for step in steps] == sorted(step.start for step in steps)


def test_costly_figures_come_later_and_are_those_of_their_own_endpoints(store: Path) -> None:
    """At first null with a note; then the very figures of totals and sentiment, each with its age."""
    face = Face(store)
    first = face.ask("overview")["coins"][0]
    assert first["liquidated"] is None
    assert first["sentiment"] is None
    assert "liquidated: not reckoned yet" in first["notes"]
    row = settled(face, "sentiment")
    told = read_sentiment(store, "BTC").sentiment
    sentiment = row["sentiment"]
    assert isinstance(sentiment, dict)
    assert sentiment["index"] == (None if told.value is None else pytest.approx(told.value))
    row = settled(face, "liquidated")
    day = read_totals(store, symbol="BTC", hours=24.0, last=0).total
    liquidated = row["liquidated"]
    assert isinstance(liquidated, dict)
    assert liquidated["h24"]["long"]["observed_usd"] == pytest.approx(day.long.observed_usd)
    assert liquidated["h24"]["short"]["estimated_usd"] == pytest.approx(day.short.estimated_usd)
    row = settled(face, "pull")
    assert row["pull"] is None  # no collector keeps the map of this store
    assert any(note.startswith("pull: no map") for note in row["notes"])  # type: ignore[attr-defined]


def test_windows_of_one_reckoning_are_those_of_each(store: Path) -> None:
    """A day and an hour at once are what each is alone."""
    (found,) = read_windows(store, (1.0, 24.0))
    assert found.coin == "BTC"
    for sides, hours in zip(found.windows, (1.0, 24.0), strict=True):
        alone = read_totals(store, symbol="BTC", hours=hours, last=0).total
        assert sides.long.observed_usd == pytest.approx(alone.long.observed_usd)
        assert sides.both.observed_events == alone.both.observed_events


def test_the_nearest_is_one_of_the_largest(store: Path) -> None:
    """Of the five largest clusters of a side the one closest to the price."""
    found = read_map(store, Question(name="BTC", top=20))
    for is_long in (True, False):
        mine = [one for one in found.clusters if one.is_long is is_long][:5]
        near = nearest_of(found, is_long=is_long)
        if not mine:
            assert near is None
        else:
            assert near is not None
            assert abs(near.distance_pct) == min(abs(one.distance_pct) for one in mine)


def test_what_nobody_asks_for_is_not_kept(store: Path) -> None:
    """The thread ends some time after the last question, and begins anew with the next."""
    at = [0.0]
    kept = KeptFigures(store, lambda: at[0])
    kept.look(["BTC"])
    thread = kept._thread
    assert thread is not None
    at[0] = 1_000.0
    thread.join(60.0)
    assert not thread.is_alive()
    assert kept.found("sentiment", "ETH") is None


def test_a_coin_nobody_knows_is_refused(store: Path) -> None:
    """By name, with what is known; one that is only expected is waited for."""
    with pytest.raises(ConfigError):
        read_overview(store, Settings(), ["NOTACOIN"])
    body = Face(store.with_name("nothing.db")).ask("overview")
    assert body["coins"] == []
    assert body["meta"]["warming_up"] is True
