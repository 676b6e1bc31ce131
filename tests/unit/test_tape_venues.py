"""Whose frames a recording holds: what the user says, else what the frames show, else what names tell."""

import json
from pathlib import Path

import pytest

from perpscope.app.replay import ReplayReport, replay_tape
from perpscope.errors import ConfigError, DataError

START_MS = 1_790_757_203_016
#: Written by hand after each venue's pages; each is one event of its venue and rejected, or unknown, elsewhere.
BINANCE = b'{"e":"aggTrade","E":1790757203016,"s":"BTCUSDT","a":1,"p":"8.5","q":"1","T":1790757203001,"m":true}'
BYBIT = (
    b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1790757203510,"data":[{"T":1790757203508,"s":"BTCUSDT",'
    b'"S":"Buy","v":"0.001","p":"8.5","L":"PlusTick","i":"a","BT":false,"seq":1}]}'
)
OKX = (
    b'{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP","tradeId":"1","px":"8.5",'
    b'"sz":"5","side":"buy","ts":"1790757203050","count":"1","seqId":5}]}'
)
BITGET = (
    b'{"action":"update","arg":{"instType":"usdt-futures","topic":"publicTrade","symbol":"BTCUSDT"},'
    b'"data":[{"p":"8.5","v":"0.1","S":"buy","T":"1790757203050","i":"1"}],"ts":1790757203051}'
)
HYPERLIQUID = (
    b'{"channel":"trades","data":[{"coin":"BTC","side":"B","px":"8.5","sz":"0.1","time":1790757203050,"hash":"0x1",'
    b'"tid":1,"users":["0x1","0x2"]}]}'
)
FRAMES = {"binance": BINANCE, "bybit": BYBIT, "okx": OKX, "bitget": BITGET, "hyperliquid": HYPERLIQUID}
COIN_M = BINANCE.replace(b"BTCUSDT", b"BTCUSD_PERP")


def lines(path: Path, *frames: bytes) -> Path:
    """A recording of `<ns> <frame>` lines."""
    path.write_bytes(b"".join(b"%d %b\n" % (START_MS * 10**6 + n, frame) for n, frame in enumerate(frames)))
    return path


def captures(path: Path, *said: tuple[str, bytes]) -> Path:
    """A recording of captured frames, each with what its venue was called."""
    rows = [{"venue": venue, "channel": "c", "frame": json.loads(frame)} for venue, frame in said]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("venue", FRAMES)
def test_frames_tell_their_venue(tmp_path: Path, venue: str) -> None:
    """Nobody says it: one of five makes events of them."""
    report = replay_tape(lines(tmp_path / "x", *[FRAMES[venue]] * 3))
    assert (report.venues, report.decoded, report.events) == ([venue], 3, {"trade": 3})


def test_frames_outrank_names_and_the_user_outranks_frames(tmp_path: Path) -> None:
    """A wrong name is told of, and the frames believed; a wrong flag is obeyed, and refused for what it leads to."""
    said: list[str] = []
    report = replay_tape(lines(tmp_path / "okx_x.gz", HYPERLIQUID), announce=said.append)
    assert (report.venues, report.events) == (["hyperliquid"], {"trade": 1})
    assert said == ["okx_x.gz: named after okx, but these are hyperliquid's frames"]
    with pytest.raises(DataError, match="is okx's") as caught:
        replay_tape(lines(tmp_path / "hyperliquid", HYPERLIQUID), venue="okx")
    assert caught.value.code == "recording-venue"
    with pytest.raises(ConfigError, match="okxx"):
        replay_tape(tmp_path / "hyperliquid", venue="okxx")


def test_a_name_decides_where_frames_do_not(tmp_path: Path) -> None:
    """Retired messages are nobody's events, and two venues know them: the name says whose they were."""
    retired = b'{"action":"update","arg":{"instType":"SP","channel":"trade","instId":"BTCUSDT"},"data":[]}'
    with pytest.raises(DataError, match="nothing tells whose frames") as caught:
        replay_tape(lines(tmp_path / "x", retired))
    assert caught.value.code == "recording-venue"
    assert "--venue: binance, bitget" in (caught.value.hint or "")
    report = replay_tape(lines(tmp_path / "bitget_old", retired))
    assert (report.venues, report.ignored) == (["bitget"], {"retired-api": 1})
    assert replay_tape(tmp_path / "x", venue="bitget").ignored == {"retired-api": 1}


def test_the_one_that_understands_has_frames_nobody_decodes(tmp_path: Path) -> None:
    """Another product, passed over by name at one venue and unreadable at the others, is that venue's."""
    report = replay_tape(lines(tmp_path / "x", COIN_M))
    assert (report.venues, report.ignored, report.rejected) == (["binance"], {"coin-m": 1}, 0)


def test_one_file_may_hold_several_venues(tmp_path: Path) -> None:
    """Each part is its own venue's, also by a longer or a former name of it; what is nobody's is told of."""
    said: list[str] = []
    path = captures(
        tmp_path / "x",
        *(("binance-testnet", BINANCE), ("okex", OKX), ("bybit", BYBIT), ("bybit", BYBIT), ("kraken", b'{"a":1}')),
    )
    report = replay_tape(path, announce=said.append)
    assert (report.venues, report.form) == (["binance", "bybit", "okx"], "captures")
    assert (report.decoded, report.events) == (4, {"trade": 4})
    assert report.frames == report.decoded + report.control + sum(report.ignored.values()) + report.rejected == 5
    assert said == ["kraken: no venue we know speaks so"]
    groups = {
        "okex-swap messages": {"arrays": {"a": [json.loads(OKX)], "b": [json.loads(OKX)]}},
        "anything": {"arrays": {"messages": [json.loads(HYPERLIQUID)] * 2}},
    }
    (tmp_path / "y").write_text(json.dumps(groups, indent=1))
    report = replay_tape(tmp_path / "y")
    assert (report.venues, report.form) == (["hyperliquid", "okx"], "groups")
    assert report.events == {"trade": 4}


def test_venues_are_heard_wherever_they_begin(tmp_path: Path) -> None:
    """A venue whose first frame comes late is heard all the same; what else stands in a recording is passed over."""
    late = captures(tmp_path / "x", *[("one", BINANCE)] * 300, ("two", HYPERLIQUID))
    assert replay_tape(late).venues == ["binance", "hyperliquid"]
    book = '{"lastUpdateId":1,"E":1790757203016,"T":1790757203001,"bids":[],"asks":[["9","1"]]}'
    rows: list[dict[str, object]] = [
        {"t": "header", "exchange": "?"},
        {"t": "http", "ts": 1.0, "url": "https://x.test/depth?symbol=BTCUSDT", "data": book},
        {"t": "recv", "ts": 2.0, "conn": "w", "data": BINANCE.decode()},
    ]
    (tmp_path / "y").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = replay_tape(tmp_path / "y")
    assert (report.venues, report.events) == (["binance"], {"book_snapshot": 1, "trade": 1})


def test_a_mixed_file_can_be_read_as_one_venues(tmp_path: Path) -> None:
    """The user outranks the file here too: what is not that venue's is rejected."""
    path = captures(tmp_path / "x", ("binance", BINANCE), ("bybit", BYBIT))
    report = replay_tape(path, venue="bybit")
    assert (report.venues, report.decoded, report.rejected) == (["bybit"], 1, 1)


def of_symbol(path: Path, symbol: str) -> ReplayReport:
    """The replay of one instrument."""
    return replay_tape(path, symbol=symbol)


@pytest.mark.parametrize("symbol", ["ETHUSDT", "eth", "ETH-USDT-PERP.BINANCE"])
def test_one_instrument_alone(tmp_path: Path, symbol: str) -> None:
    """By any of its names; every frame is accounted for, and events are the instrument's."""
    path = lines(tmp_path / "x", BINANCE, BINANCE.replace(b"BTC", b"ETH"), BINANCE)
    report = of_symbol(path, symbol)
    assert (report.frames, report.decoded, report.events) == (3, 3, {"trade": 1})


def test_an_unknown_instrument_has_a_neighbour(tmp_path: Path) -> None:
    """What the recording does not tell of is refused with the nearest it does tell of."""
    path = lines(tmp_path / "x", BINANCE, BINANCE.replace(b"BTC", b"ETH"))
    with pytest.raises(ConfigError, match="'ETHUST'") as caught:
        of_symbol(path, "ETHUST")
    assert (caught.value.code, caught.value.hint) == ("symbol-unknown", "did you mean 'ETHUSDT'?")


def test_a_torn_end_is_said(tmp_path: Path) -> None:
    """What was whole is replayed; the half frame is neither counted nor rejected."""
    said: list[str] = []
    path = lines(tmp_path / "x", BINANCE, BINANCE)
    path.write_bytes(path.read_bytes()[:-9])
    report = replay_tape(path, announce=said.append)
    assert (report.frames, report.rejected) == (1, 0)
    assert said == [f"{path} breaks off in the middle: what was whole has been replayed"]
