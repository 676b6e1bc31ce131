"""Recordings of others: each form known by its content, however it is packed; torn ends survived; nothing guessed."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from perpscope.errors import DataError
from perpscope.feeds.envelopes import never_back
from perpscope.feeds.recording import Kind, Record
from perpscope.feeds.tape import Tape

MS = 1_000_000
NOW = 1_790_757_203_016
#: Written by hand; `FRAME` is any JSON with a time in it.
FRAME = b'{"e":"x","E":1790757203016,"n":1790757203999}'
FORMS = {
    "lines": b"1790757203016000000 " + FRAME,
    "json-lines": b'{"t":"header","exchange":"OKX_SWAP"}\n{"t":"recv","conn":"w","ts":1790757203.016,"data":"{}"}',
    "captures": b'{"venue":"Bybit-Test","channel":"c","frame":' + FRAME + b"}",
    "rows": b'{"ts":1790757203016,"px":1.5,"sz":2,"side":"B"}',
    "frames": FRAME,
    "groups": b'{"a group":{"arrays":{"first":[\n' + FRAME + b"]},\n" + b'"other":[]}}',
}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda text: text,
    "gz": gzip.compress,
    "zst": lambda text: zstandard.ZstdCompressor().compress(text),
}


def written(path: Path, text: bytes) -> Path:
    """A file of this content."""
    path.write_bytes(text)
    return path


@pytest.mark.parametrize("pack", PACKED)
@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_known_by_its_content(tmp_path: Path, form: str, pack: str) -> None:
    """Whatever the file is called and however it is packed; the one frame was received when it says."""
    tape = Tape(written(tmp_path / "anything", PACKED[pack](FORMS[form] + b"\n")))
    records = list(tape.records())
    assert tape.form == form
    assert [(record.kind, record.ts_recv) for record in records] == [(Kind.FRAME, NOW * MS)]
    assert not tape.torn
    assert tape.is_mixed == (form in {"captures", "groups"})
    assert tape.venue == ("okx" if form == "json-lines" else None)


def test_connections_are_named_after_what_brought_them(tmp_path: Path) -> None:
    """A capture by its venue and channel, a group by its name and array's; a bare frame by nothing."""
    sources = {form: next(Tape(written(tmp_path / form, text)).records()).source for form, text in FORMS.items()}
    assert sources == {
        "lines": "recording",
        "json-lines": "w",
        "captures": "bybit-test/c",
        "rows": "recording",
        "frames": "recording",
        "groups": "a group/first",
    }


def test_a_frame_is_untouched(tmp_path: Path) -> None:
    """Its bytes are those of the file; in a group spread over lines it becomes one line with the same content."""
    for form in ("lines", "captures", "frames"):
        assert next(Tape(written(tmp_path / form, FORMS[form])).records()).payload == FRAME
    spread = b'{"g":{"arrays":{"a":[{\n "price": 1.10,\n "E": 1790757203016\n}, "pong 1790757203016"]}}}'
    frames = [record.payload for record in Tape(written(tmp_path / "g", spread)).records()]
    assert frames == [b'{"price":1.10,"E":1790757203016}', b"pong 1790757203016"]


@pytest.mark.parametrize(
    ("frame", "ms"),
    [
        (b'{"ts":"1790757203016"}', NOW),
        (b'{"id":17907572030160000,"p":"1790757203017.5","x1790757203018":1,"T":1790757203016}', NOW),
        (b'{"n":1290757203016,"E":1790757203016,"T":1790757203001}', NOW),
        (b'{"n":12}', 0),
    ],
    ids=["text", "no-other-number", "plausible-and-first", "none"],
)
def test_the_first_time_in_a_frame_is_its_receipt(tmp_path: Path, frame: bytes, ms: int) -> None:
    """Thirteen digits standing alone, of this age; a part of a longer number, a price or a name is no time."""
    line = b'{"venue":"okx","frame":' + frame + b"}"
    assert [record.ts_recv for record in Tape(written(tmp_path / "x", line)).records()] == [ms * MS]


def test_receipts_read_off_frames_never_go_back() -> None:
    """An older frame was received with the one before it, an undated one with its neighbour; order is kept."""
    times = [0, 0, 5, 3, 0, 9]
    kept = list(never_back(Record(Kind.FRAME, time, str(n), b"") for n, time in enumerate(times)))
    assert [record.ts_recv for record in kept] == [5, 5, 5, 5, 5, 9]
    assert [record.source for record in kept] == ["0", "1", "2", "3", "4", "5"]
    assert [r.ts_recv for r in never_back([Record(Kind.FRAME, 0, "", b"")] * 2)] == [0, 0]


def test_groups_are_sessions_of_their_own_times(tmp_path: Path) -> None:
    """Arrays are laid into each other by time, each in its own order; one without any time comes first."""
    said = {
        "late": {"arrays": {"a": [{"E": NOW + 5}, {"E": NOW + 1}]}},
        "early": {"arrays": {"b": [{"x": 1}, {"E": NOW}, {"E": NOW + 9}], "never": [{"x": 2}]}},
    }
    records = list(Tape(written(tmp_path / "x", json.dumps(said).encode())).records())
    assert [(record.source, record.ts_recv // MS - NOW) for record in records] == [
        ("early/b", 0),
        ("early/b", 0),
        ("early/never", 0),
        ("late/a", 5),
        ("late/a", 5),
        ("early/b", 9),
    ]


@pytest.mark.parametrize("form", ["lines", "json-lines", "captures", "rows", "frames"])
@pytest.mark.parametrize("cut", [1, 9])
def test_a_torn_end_costs_only_itself(tmp_path: Path, form: str, cut: int) -> None:
    """A last line that breaks off is no frame, and the tape says so; a whole one without a line feed is one."""
    *head, last = FORMS[form].split(b"\n")
    whole = b"\n".join([*head, last, last])
    tape = Tape(written(tmp_path / "whole", whole))
    assert len(list(tape.records())) == 2
    assert not tape.torn
    tape = Tape(written(tmp_path / "cut", whole[:-cut]))
    assert len(list(tape.records())) == 1
    assert tape.torn


@pytest.mark.parametrize("pack", ["gz", "zst"])
def test_a_torn_archive_keeps_what_is_whole(tmp_path: Path, pack: str) -> None:
    """Frames before the tear are there; a torn archive of groups is none, since nothing of it is whole."""
    frames = b"".join(b'{"E":%d,"x":"%x"}\n' % (NOW + n, n**9) for n in range(30_000))
    tape = Tape(written(tmp_path / "x", PACKED[pack](frames)[:-5000]))
    assert 1000 < len(list(tape.records())) < 30_000
    assert tape.torn
    groups = b'{"g":{"arrays":{"a":[' + b",".join(frames.splitlines()) + b"]}}}"
    with pytest.raises(DataError):
        Tape(written(tmp_path / "y", PACKED[pack](groups)[:-5000]))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"", "empty"),
        (b"exports[`map 1`] = `\n[]\n`;\n", "neither JSON nor"),
        (b"time,price\n1,2\n", "neither JSON nor"),
        (b'{"some":"json"}\n', "neither a row we know nor a frame with a time"),
        (b'{"E":1790757203016}\nhello\n', "neither a row we know nor a frame with a time"),
        (b'{"g":{"arrays":{}}}', "neither a row we know nor a frame with a time"),
        (b"99999999999999999999 {}\n", "neither JSON nor"),
    ],
    ids=["nothing", "snapshots-of-tests", "table", "no-time", "not-all-json", "no-messages", "no-such-time"],
)
def test_what_is_no_recording_is_told_what_it_is(tmp_path: Path, text: bytes, what: str) -> None:
    """The error says how the file begins and what it is not, and the hint lists every form there is."""
    with pytest.raises(DataError, match=what) as caught:
        Tape(written(tmp_path / "x", text))
    assert caught.value.code == "recording-form"
    for known in ("<receipt ns>", "header", "arrays", "rows", "a raw frame a line", ".zst"):
        assert known in (caught.value.hint or "")


def test_a_folder_is_no_recording(tmp_path: Path) -> None:
    """It is said to be one, and what to name instead."""
    with pytest.raises(DataError, match="is a folder") as caught:
        Tape(tmp_path)
    assert (caught.value.code, caught.value.hint) == ("recording-missing", "name a file in it")


@pytest.mark.parametrize("form", ["lines", "captures"])
def test_a_line_of_another_form_is_named(tmp_path: Path, form: str) -> None:
    """Blank lines count among the lines of the file, so that the number leads to the place."""
    text = FORMS[form] + b"\n\noops\n" + FORMS[form] + b"\n"
    with pytest.raises(DataError, match="line 3"):
        list(Tape(written(tmp_path / "x", text)).records())


def test_replies_of_a_recording_can_be_asked_for(tmp_path: Path) -> None:
    """All of them, wherever they stand; book copies are records too, of the symbol that was asked about."""
    rows: list[dict[str, object]] = [
        {"t": "header"},
        {"t": "http", "ts": 1.0, "url": "https://x.test/instruments?instType=SWAP", "data": "[1]"},
        {"t": "recv", "ts": 2.0, "conn": "w", "data": "{}"},
        {"t": "http", "ts": 3.0, "url": "https://x.test/market/books?instId=BTC-USDT-SWAP&sz=5", "data": "[2]"},
        {"t": "http", "ts": 4.0},
        {"t": "send", "ts": 5.0, "data": "{}"},
    ]
    tape = Tape(written(tmp_path / "x", b"".join(json.dumps(row).encode() + b"\n" for row in rows)))
    assert list(tape.replies()) == [b"[1]", b"[2]"]
    assert [(r.kind, r.source) for r in tape.records()] == [(Kind.FRAME, "w"), (Kind.REPLY, "BTC-USDT-SWAP")]
    assert list(Tape(written(tmp_path / "y", FORMS["frames"])).replies()) == []


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from([*FORMS.values(), b"", b"\xff\xfe", b"{", b'{"t":"recv","ts":1e300,"data":""}', b"[[[[1]]]]"])
        | st.binary(max_size=60),
        max_size=6,
    )
)
@pytest.mark.unmeasured
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]) -> None:
    """Whatever stands in a file: records whose time fits, or the house's error."""
    path = written(tmp_path_factory.mktemp("any") / "x", b"\n".join(pieces))
    try:
        records = list(Tape(path).records())
    except DataError:
        return
    assert all(0 <= record.ts_recv < 2**63 for record in records)
