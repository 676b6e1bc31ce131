"""LPI from frames to rows: replayed in one piece or in two, a recording makes the same numbers."""

import json
from collections.abc import Iterator
from pathlib import Path

from perpscope.app.replay import replay_tape
from perpscope.model.market import Lpi
from perpscope.stores.sqlite import SqliteReader

MS = 1_723_118_400_000


def frames(begin: int, end: int) -> Iterator[str]:
    """A mark price each second and from the second minute on a liquidation, larger and further below it each time.

    Shapes as in the venue's documentation of `markPriceUpdate` and `forceOrder`.
    """
    for second in range(begin, end):
        now = MS + 1000 * second
        mark = {"e": "markPriceUpdate", "E": now, "s": "BTCUSDT", "p": "100", "i": "100", "r": "0.0001", "T": MS}
        order = {"s": "BTCUSDT", "S": "SELL", "p": "97", "X": "FILLED", "T": now, "ap": f"{99 - second / 1000}"}
        liquidation = {"e": "forceOrder", "E": now, "o": order | {"q": f"{1 + second}", "z": f"{1 + second}"}}
        for frame in (mark, liquidation)[: 1 + (second >= 60)]:
            yield f"{now * 1_000_000} {json.dumps(frame)}\n"


def stored(folder: Path, *pieces: tuple[int, int]) -> list[Lpi | None]:
    """The LPI of all rows after a recording was replayed in pieces, one after the other."""
    folder.mkdir()
    for number, piece in enumerate(pieces):
        recording = folder / f"{number}.txt"
        recording.write_text("".join(frames(*piece)), "utf-8")
        replay_tape(recording, database=folder / "r.db")
    with SqliteReader.open(folder / "r.db") as reader:
        return [event.lpi for event in reader.liquidations()]


def test_a_second_recording_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    """What is in the store before a recording begins is what its liquidations are compared with. Keeps S1-46."""
    whole = stored(tmp_path / "whole", (0, 300))
    assert [lpi.sample for lpi in whole if lpi] == list(range(240))
    assert [lpi.value for lpi in whole if lpi] == [None] * 100 + [100.0] * 140  # larger and further each time
    pieces = stored(tmp_path / "pieces", (0, 200), (200, 300), (0, 200))
    assert pieces[:140] == whole[:140]
    assert pieces[140:200] == [Lpi(None, None, None, 0)] * 60  # no mark price of a minute before in that recording
    assert [(lpi.value, lpi.sample) for lpi in pieces[200:] if lpi] == [(100.0, 140 + number) for number in range(40)]


def test_a_recording_without_liquidations(tmp_path: Path) -> None:
    """Is replayed all the same, into a store or into none."""
    recording = tmp_path / "m.txt"
    recording.write_text("".join(frames(0, 1)), "utf-8")
    assert replay_tape(recording).events == {"mark_price": 1}
    assert replay_tape(recording, database=tmp_path / "r.db").events == {"mark_price": 1}
