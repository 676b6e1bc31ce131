"""Which table of margin tiers holds: by date, from a file in each known form, from the store; whose it says it is."""

import gzip
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from perpscope.app import margin_tables
from perpscope.app.margin_tables import find_table
from perpscope.app.margin_tiers import Quality
from perpscope.errors import ConfigError
from perpscope.model.instrument import Instrument, MarginTier, instrument_id
from perpscope.stores.sqlite import open_writer
from perpscope.stores.status import StoreKind

NOON = 1_791_374_400 * 10**9  #: 2026-10-07 12:00 UTC
TIERS = (MarginTier(0.0, 1000.0, 0.01, 50.0), MarginTier(1000.0, 9000.0, 0.02, 25.0, 10.0))
_BRACKET = ("bracket", "notionalFloor", "notionalCap", "maintMarginRatio", "initialLeverage", "cum")
#: Binance's form, not in order.
BRACKETS = [dict(zip(_BRACKET, row, strict=True)) for row in ((2, 1000, 9000, 0.02, 25, 10), (1, 0, 1000, 0.01, 50, 0))]
PLAIN = [
    {"floor": 0, "cap": 1000, "mmr": 0.01, "max_leverage": 50},
    {"floor": 1000, "cap": 9000, "mmr": 0.02, "max_leverage": 25, "deduction": 10},
]
SHIPPED = {
    "source": "me",
    "as_of": "2025-01",
    "tables": [{"symbols": "BTCUSDT A", "tiers": [[0, 1000, 0.01, 50, 0], [1000, 9000, 0.02, 25, 10]]}],
}


def perpetual(venue: str = "binance", symbol: str = "BTCUSDT") -> Instrument:
    """A linear contract."""
    base = symbol.removesuffix("USDT")
    identity = instrument_id(venue, base, "USDT")
    return Instrument(id=identity, venue=venue, symbol=symbol, base=base, quote="USDT")


def test_the_dated_table_is_methods() -> None:
    """Twelve tiers as METHOD 1.2 prints them, of October 2024, with their source."""
    found, table = find_table(perpetual(), "2024-10", None)
    assert (found.as_of, found.source) == ("2024-10", "Binance USD-M leverage brackets")
    assert found.quality is Quality.DATED
    assert [*table.floors] == [0, 5e4, 6e5, 3e6, 12e6, 70e6, 100e6, 230e6, 480e6, 600e6, 800e6, 1.2e9]
    assert [*table.rates] == [0.004, 0.005, 0.0065, 0.01, 0.02, 0.025, 0.05, 0.1, 0.125, 0.15, 0.25, 0.5]
    assert [*table.leverages] == [125, 100, 75, 50, 25, 20, 10, 5, 4, 3, 2, 1]
    assert [*table.deductions[:4]] == [0, 50, 950, 11450]
    assert table.deductions[-1] == 421_481_450
    assert table.is_continuous


@pytest.mark.parametrize(
    ("asked", "as_of"),
    [
        (None, "2026-09"),
        ("2024-10", "2024-10"),
        ("2024-10-01", "2024-10"),
        ("2026-08-31", "2024-10"),
        ("2026-09", "2026-09"),
        ("2030-01-01", "2026-09"),
    ],
    ids=["newest", "its month", "its first day", "the day before the next", "the next", "long after"],
)
def test_a_date_takes_the_newest_table_that_is_not_younger(asked: str | None, as_of: str) -> None:
    """And says which date that is."""
    assert find_table(perpetual(), asked, None)[0].as_of == as_of


@pytest.mark.parametrize(
    ("instrument", "asked", "said"),
    [
        pytest.param(perpetual(), "2024-09-30", "as of 2024-09-30", id="before the first"),
        pytest.param(perpetual(symbol="ETHUSDT"), "2024-10", "ETHUSDT", id="another symbol"),
        pytest.param(perpetual("okx"), "2024-10", "okx", id="another venue"),
        pytest.param(perpetual(), "2024-13", "no date", id="no such month"),
        pytest.param(perpetual(), "2024-02-30", "no date", id="no such day"),
        pytest.param(perpetual(), "missing.json", "No such file", id="no such file"),
    ],
)
def test_what_is_not_known_is_refused(instrument: Instrument, asked: str, said: str) -> None:
    """Never another symbol's table, nor a younger one."""
    with pytest.raises(ConfigError, match=said):
        find_table(instrument, asked, None)


@pytest.mark.parametrize(
    ("content", "as_of"),
    [
        pytest.param(SHIPPED, "2025-01", id="as perpscope ships them"),
        pytest.param(PLAIN, None, id="one contract's tiers"),
        pytest.param({"symbol": "BTCUSDT", "brackets": BRACKETS}, None, id="leverageBracket of one"),
        pytest.param([{"symbol": "X", "brackets": []}, {"symbol": "BTCUSDT", "brackets": BRACKETS}], None, id="of all"),
        pytest.param({"BTC/USDT:USDT": [{"tier": 1, "info": row} for row in BRACKETS]}, None, id="as ccxt keeps them"),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_each_form_of_a_file_is_read(tmp_path: Path, content: object, as_of: str | None, packed: bool) -> None:
    """The same two tiers, lowest first."""
    path = tmp_path / ("tiers.json.gz" if packed else "tiers.json")
    raw = json.dumps(content).encode()
    path.write_bytes(gzip.compress(raw) if packed else raw)
    found, table = find_table(perpetual(), str(path), None)
    assert found.tiers == TIERS
    assert (found.as_of, found.source, table.cap) == (as_of, f"file {path.name}", 9000.0)


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        pytest.param("a.json", b"{", "no table of margin tiers", id="no JSON"),
        pytest.param("a.json", b'{"tiers": 1}', "no table of margin tiers", id="another form"),
        pytest.param("a.json", b"[]", "holds no margin tiers of BTCUSDT", id="empty"),
        pytest.param("a.json", json.dumps({"symbol": "X", "brackets": BRACKETS}).encode(), "holds no", id="another's"),
        pytest.param("a.json", json.dumps(PLAIN[1:]).encode(), "contradict themselves: .* begins at 1000", id="hole"),
        pytest.param("a.json.gz", b"not gzip", "cannot read", id="no gzip"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str, raw: bytes, said: str) -> None:
    """With what is wrong."""
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(ConfigError, match=said):
        find_table(perpetual(), str(tmp_path / name), None)


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Path]:
    """A store in which a source told an instrument's tiers at noon."""

    def made(instrument: Instrument, source: str, kind: StoreKind = StoreKind.OBSERVED) -> Path:
        path = tmp_path / "market.db"
        with closing(open_writer(str(path), kind=kind)) as writer:
            writer.register([instrument], NOON)
            writer.register_tiers({instrument.id: TIERS}, source=source, ts_from=NOON)
        return path

    return made


@pytest.mark.parametrize("source", ["published", "stream"])
def test_the_stores_newer_table_goes_first(store: Callable[..., Path], source: str) -> None:
    """What the venue told on 7 October 2026 is newer than what ships; an older date takes the older one."""
    path = store(perpetual(), source)
    found, _ = find_table(perpetual(), None, path)
    assert (found.tiers, found.as_of, found.quality) == (TIERS, "2026-10-07", Quality.PUBLISHED)
    assert "kept in market.db" in found.source
    assert find_table(perpetual(), "2026-10-06", path)[0].as_of == "2026-09"
    assert find_table(perpetual(), "2026-10", path)[0].as_of == "2026-10-07"


def test_demo_data_is_called_so(store: Callable[..., Path]) -> None:
    """A generated market's tiers never pass for a venue's."""
    found, _ = find_table(perpetual("bybit"), None, store(perpetual("bybit"), "published", StoreKind.DEMO))
    assert found.source.startswith("DEMO DATA, ")


def test_what_a_store_assumed_is_not_a_venues_word(store: Callable[..., Path]) -> None:
    """Assumed and shipped tiers that a collector wrote down do not come back as told."""
    found, table = find_table(perpetual("bybit"), None, store(perpetual("bybit"), "assumed"))
    assert (found.quality, found.as_of, table.rates) == (Quality.ASSUMED, None, (0.005,))


def test_the_shipped_file_is_figures_only() -> None:
    """Source, date, columns and rows: nothing else stands in it."""
    path = Path(margin_tables.__file__).parent / "tables" / "binance_btcusdt_2024_10.json"
    assert set(json.loads(path.read_bytes())) == {"source", "as_of", "columns", "tables"}
