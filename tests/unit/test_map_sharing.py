"""Maps shared between instances, in use: what a heart kept another goes on from, and trouble costs neither anything."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.contract.store_events import NOON
from tests.unit.kept_market import MINUTE, Market
from tests.unit.test_snapshots import snapshot

from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.analytics.margin_arrays import Floats
from perpscope.app.liqmap import keeper as map_keeper
from perpscope.app.liqmap import kept as map_kept
from perpscope.app.liqmap import sharing
from perpscope.app.liqmap.adoption import Adoption
from perpscope.app.liqmap.keeper import MapKeeper
from perpscope.app.liqmap.keeping import MapKeeping
from perpscope.app.liqmap.kept import PROFILE, KeptMap
from perpscope.app.liqmap.sharing import MapSharing
from perpscope.app.study.snapshots import verify_shared
from perpscope.cli.main import run
from perpscope.errors import ConfigError, StoreError
from perpscope.model.market import Covered, Source
from perpscope.model.stream import Channel, Stream
from perpscope.settings import Map
from perpscope.stores import kept_maps
from perpscope.stores.reader import SqliteReader
from perpscope.stores.shared_maps import Shared, SharedMaps
from perpscope.stores.shared_objects import open_objects, unreachable
from perpscope.stores.snapshot_check import check
from perpscope.stores.snapshot_rows import Row, folder_of
from perpscope.stores.status import StoreKind

Eventually = Callable[[Callable[[], object]], None]
HALF_HOUR = 30


@pytest.fixture
def eventually() -> Eventually:
    """Wait until something holds, or fail after a generous deadline."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30.0
        while not condition():
            assert time.monotonic() < deadline, "condition not met within 30 s"
            time.sleep(0.005)

    return wait


@pytest.fixture(scope="module", autouse=True)
def made_up_is_shared() -> Iterator[None]:
    """The market of these tests is a demo's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(map_keeper, "_SHARED", {StoreKind.DEMO})
        yield


def keeper(market: Market, share: Path) -> MapKeeper:
    """A heart's keeper of maps, which shares them."""
    return MapKeeper(Map(share=str(share)), market.path, threading.Event())


@pytest.fixture
def shared(shared_once: Path, tmp_path: Path) -> Path:
    """A place where a heart has shared an hour and a half of one coin, and then ended; beside it that heart's own."""
    shutil.copytree(shared_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "shared"


@pytest.fixture(scope="module")
def shared_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That place, made once."""
    folder = tmp_path_factory.mktemp("first")
    share = folder / "shared"
    market = Market(folder / "first.db")
    first = keeper(market, share)
    market.go_on(40)
    for _ in range(50):
        market.go_on(1)
        first.keep()
    assert first.close() == []
    market.close()
    return folder


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Market]:
    """Another machine of the same market, with a database of its own, that begins half an hour after."""
    market = Market(tmp_path / "fresh.db")
    yield market
    market.close()


def maps_of(kept: MapKeeper) -> list[KeptMap]:
    """The maps of the one coin there is."""
    return kept._maps["BTC"]


def test_a_heart_shares_what_it_appends(shared: Path, tmp_path: Path) -> None:
    """The same payloads, each naming its row in the chain beside the database; and the newest state. Keeps S3-31."""
    (theirs,) = verify_shared(str(shared), "btc").chains
    (mine,) = check(folder_of(tmp_path / "first.db"))
    assert (theirs.ok, theirs.folder) == (True, "demo/BTC")
    assert theirs.maps == mine.maps == 10
    assert theirs.bytes == mine.bytes
    local = SharedMaps(open_objects(str(shared)), "demo", "reader").newest("BTC")
    assert local is not None
    assert local.content == kept_maps.content_of(folder_of(tmp_path / "first.db"), "BTC")


def made(store: Path, kept: KeptMap) -> Floats:
    """A venue's map made anew of what a store holds, dollars by bin and side."""
    again = KeptMap(
        instrument=kept.instrument,
        ladders=kept.ladders,
        map=VenueMap(kept.ladders),
        since=kept.since,
        until=kept.since,
        filled=0,
    )
    with SqliteReader.open(store) as reader:
        map_kept.advance(reader, [again], kept.until)
    return map_kept.published([again])[0].usd


def test_a_fresh_instance_goes_on_from_a_shared_map(shared: Path, fresh: Market, eventually: Eventually) -> None:
    """As the first would have, once it holds the minutes since; over a restart too. Keeps S3-31."""
    fresh.skip(80)
    fresh.go_on(10 + HALF_HOUR)
    mine = keeper(fresh, shared)
    said = mine.keep()
    eventually(lambda: mine._sharing is not None and mine._sharing.found("BTC") is not None)
    fresh.go_on(1)
    said += mine.keep()
    assert said == ["BTC: goes on from the map another instance kept up to 2024-08-08 13:29 UTC (binance, bybit)"]
    assert all(kept.theirs for kept in maps_of(mine))
    whole = Market(fresh.path.with_name("whole.db"))
    whole.go_on(fresh.told)
    for kept in maps_of(mine):
        true, cold = made(whole.path, kept), made(fresh.path, kept)
        off = np.abs(map_kept.published([kept])[0].usd - true).sum()
        assert off < 0.25 * np.abs(cold - true).sum()
    whole.close()
    mine.close()
    other = keeper(fresh, shared)
    fresh.go_on(1)
    assert other.keep() == []
    assert all(kept.theirs for kept in maps_of(other))
    other.close()


def test_a_store_without_the_minutes_since_begins_by_itself(
    shared: Path, fresh: Market, eventually: Eventually
) -> None:
    """No map goes on over minutes nobody told: it is awaited for hours, then let go."""
    fresh.skip(120)
    fresh.go_on(45)
    mine = keeper(fresh, shared)
    mine.keep()
    eventually(lambda: mine._sharing is not None and mine._sharing.found("BTC") is not None)
    fresh.go_on(1)
    assert mine.keep() == []
    assert not any(kept.theirs for kept in maps_of(mine))
    fresh.skip(370)
    fresh.go_on(1)
    mine.keep()
    assert mine._sharing is not None
    assert mine._sharing.found("BTC") is None
    mine.close()


def test_a_shared_map_goes_on_once_more_when_its_minutes_were_filled(
    shared: Path, fresh: Market, eventually: Eventually
) -> None:
    """What was asked for afterwards of the time between is taken, and the other's hours are not lost for it."""
    fresh.skip(80)
    fresh.go_on(10 + HALF_HOUR)
    mine = keeper(fresh, shared)
    mine.keep()
    eventually(lambda: mine._sharing is not None and mine._sharing.found("BTC") is not None)
    fresh.go_on(1)
    mine.keep()
    for of in fresh.contracts:
        streams = (Stream(Channel.OPEN_INTEREST, of.id),)
        span = (NOON + 92 * MINUTE, NOON + 115 * MINUTE)
        fresh.store.sink().accept(
            Covered(of.venue, "past", streams, *span, is_open=False, ts_recv=fresh.now, source=Source.BACKFILL)
        )
    first = [kept.map for kept in maps_of(mine)]
    fresh.go_on(14)
    for _ in range(2):
        fresh.go_on(1)
        mine.keep()
    again = maps_of(mine)
    assert all(kept.theirs == NOON + 89 * MINUTE for kept in again)
    assert not {id(one) for one in first} & {id(kept.map) for kept in again}
    mine.close()


def test_a_demo_keeps_its_maps_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two demos are two markets: nothing is shared, and that is said once."""
    monkeypatch.setattr(map_keeper, "_SHARED", {StoreKind.OBSERVED})
    market = Market(tmp_path / "demo.db")
    market.go_on(40)
    mine = keeper(market, tmp_path / "shared")
    said = mine.keep()
    market.go_on(1)
    said += mine.keep() + mine.close()
    assert said == ["map.share is for observed data: the maps of a demo are kept here alone"]
    assert not (tmp_path / "shared").exists()
    market.close()


REFUSED = {
    "formula": ("seed", None, "made by seed"),
    "constants": ("method", "0" * 64, "other constants"),
    "coin": ("method", "ETH", "it is of ETH"),
    "form": ("method", b"nothing", "not what was written"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_a_map_made_otherwise_is_not_taken(shared: Path, fresh: Market, name: str) -> None:
    """Of another formula, other constants, another coin, or no state at all: said once. Keeps S3-31."""
    formula, change, words = REFUSED[name]
    found = SharedMaps(open_objects(str(shared)), "demo", "x").newest("BTC")
    assert found is not None
    content = found.content
    kept, arrays = kept_maps.read(content, "")
    if isinstance(change, bytes):
        content = change
    elif change is not None:
        import msgspec  # noqa: PLC0415 -- here alone

        kept = msgspec.structs.replace(kept, **{"coin": {"symbol": change}}.get(name, {"setting": change}))
        fresh.path.with_name("x").mkdir()
        kept_maps.save(fresh.path.with_name("x"), kept, list(arrays))
        content = kept_maps.content_of(fresh.path.with_name("x"), kept.symbol) or b""

    class _Found(MapSharing):
        def __init__(self) -> None:
            self.asked: list[str] = []

        def ask(self, symbol: str) -> None:
            self.asked.append(symbol)

        def found(self, symbol: str) -> Shared | None:
            row = Row(row=1, kind="kept", ts=0, day="", symbol=symbol, formula=formula, profile=PROFILE, previous="")
            return Shared(row, content)

        def forget(self, symbol: str) -> None:
            self.asked.remove(symbol)

    place = _Found()
    adoption = Adoption(place)
    adoption.ask("BTC")
    fresh.go_on(1)
    known = {one.id: one for one in fresh.contracts}
    with SqliteReader.open(fresh.path) as reader:
        assert adoption.taken(reader, "BTC", [], known, NOON + 200 * MINUTE) == []
        assert adoption.taken(reader, "BTC", [], known, NOON + 200 * MINUTE) == []
    (said,) = adoption.said()
    assert words in said
    assert place.asked == []


def hears(it: MapSharing, words: list[str], count: int) -> bool:
    """Whether so many words have been said by now."""
    words += it.said()
    return len(words) >= count


def test_a_place_that_is_away_is_told_once_and_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """What could not be shared waits; when the place is back all of it comes, in order. Keeps H10."""
    monkeypatch.setattr(sharing, "_WAIT_S", (0.01, 0.02))
    share = tmp_path / "shared"
    share.write_text("in the way")
    it = MapSharing(str(share), StoreKind.DEMO)
    for at in range(3):
        it.put(snapshot(at), "")
    words: list[str] = []
    eventually(lambda: hears(it, words, 1))
    assert words[0].startswith("share-unreachable: shared maps: ")
    share.unlink()
    eventually(lambda: hears(it, words, 2))
    assert words[1:] == ["maps are shared again"]
    it.close()
    assert it.said() == []
    (told,) = verify_shared(str(share)).chains
    assert (told.ok, told.maps) == (True, 3)


def test_what_waits_is_bounded_and_the_end_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """The oldest go first; at the end what was not shared is told, within seconds. Keeps H10."""
    monkeypatch.setattr(sharing, "_MOST", 5)
    share = tmp_path / "shared"
    share.write_text("in the way")
    it = MapSharing(str(share), StoreKind.DEMO)
    words: list[str] = []
    for at in range(8):
        it.put(snapshot(at), "")
    eventually(lambda: hears(it, words, 1))
    began = time.monotonic()
    it.close()
    assert time.monotonic() - began < 5.0
    assert it.said() == ["8 map snapshots were not shared; they are in the chain beside the database"]


def test_a_broken_chain_costs_its_coin_alone(tmp_path: Path) -> None:
    """Told once; the coin is kept here alone, the others are shared. Keeps S3-31."""
    objects = open_objects(str(tmp_path))
    assert objects.swap("demo/BTC/head", b"nonsense", None) is not None
    it = MapSharing(str(tmp_path), StoreKind.DEMO)
    it.ask("BTC")
    for at in range(3):
        it.put(snapshot(at), "")
        it.put(snapshot(at, "ETH"), "")
    it.close()
    (words,) = it.said()
    assert words.startswith("share-broken: shared maps of BTC: its head says b'nonsense'")
    (told,) = verify_shared(str(tmp_path), "ETH").chains
    assert (told.ok, told.maps) == (True, 3)
    assert not verify_shared(str(tmp_path)).ok


def test_a_fault_of_ours_does_not_end_sharing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs that snapshot, is logged and told."""
    append = SharedMaps.append
    failed: list[str] = []

    def fails_first(self: SharedMaps, *words: object) -> object:
        if not failed:
            failed.append("x")
            raise ZeroDivisionError("ours")
        return append(self, *words)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(SharedMaps, "append", fails_first)
    it = MapSharing(str(tmp_path), StoreKind.DEMO)
    it.put(snapshot(0), "")
    it.put(snapshot(1), "")
    it.close()
    assert it.said() == [
        "share-failed: a map of BTC: ZeroDivisionError: ours; maps are kept here, sharing is tried again",
        "maps are shared again",
    ]
    assert verify_shared(str(tmp_path)).chains[0].maps == 1


def test_a_share_that_cannot_be_used_is_refused_at_once(tmp_path: Path) -> None:
    """Before anything is collected, as long as maps are kept at all."""
    with pytest.raises(ConfigError, match="ftp://x"):
        MapKeeping(Map(share="ftp://x"), tmp_path / "x.db")
    MapKeeping(Map(share="ftp://x", enabled=False), tmp_path / "x.db")


def test_the_command_verifies_a_shared_place(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`study verify-snapshots --share`: each chain, its head, and the exit code. Keeps S3-31."""
    assert run(["study", "verify-snapshots", "--share", str(shared)]) == 0
    assert "demo/BTC ok · 10 maps" in capsys.readouterr().out
    assert run(["study", "verify-snapshots", "BTC", "--contains", "0" * 64, "--share", str(shared)]) == 1
    assert run(["study", "verify-snapshots", "ETH", "--share", str(shared)]) == 3
    assert run(["study", "verify-snapshots", "--share", str(shared), "--recompute", "1"]) == 2
    capsys.readouterr()


def test_an_error_of_a_place_is_a_store_error() -> None:
    """With what happens meanwhile."""
    error = unreachable("x")
    assert isinstance(error, StoreError)
    assert error.hint
