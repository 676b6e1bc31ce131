"""What stands around a frame in recordings other than our own: a line in, a record out.

Each form is a `Form`: how to know it by the first lines of a file, and how to read one line. Where nobody wrote down
when a frame was received, the first time in ms within the frame itself stands for it, and never goes back
(`never_back`). Nothing is decoded beyond the envelope.
"""

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated

import msgspec

from perpscope.feeds.recording import Kind, Record
from perpscope.feeds.rows import is_row, row_ms

MS = 1_000_000  #: ns in a millisecond

#: 13 digits that are a time: 2014 to 2096, in ms.
_MS_IN_FRAME = re.compile(rb"(?<![\w.])(?:1[4-9]|[23]\d)\d{11}(?![\w.])")
_END_NS = 4_102_444_800 * 10**9  #: 2100-01-01
_JSON_BEGINS = re.compile(rb"[{\[]")


class Form(msgspec.Struct, frozen=True):
    """One way of keeping frames in lines of text."""

    name: str
    begins: Callable[[Sequence[bytes]], bool]  #: given the first lines, at least one
    read: Callable[[bytes], Record | None]  #: one line; None if it is not of this form
    has_receipts: bool  #: each line says when it was received


class Told(msgspec.Struct):
    """A line of a recording in JSON lines: `{"t": "recv"|"http"|"connect"|"send", "conn", "ts", "data"}`."""

    t: str
    conn: str = ""
    ts: Annotated[float, msgspec.Meta(ge=0, lt=4_102_444_800)] = 0.0  #: s UTC
    url: str | None = None
    data: str | None = None
    exchange: str | None = None  #: in the header, `"t": "header"`


class _Capture(msgspec.Struct):
    venue: str
    frame: msgspec.Raw
    channel: str = ""


class _Group(msgspec.Struct):
    arrays: dict[str, list[msgspec.Raw]]


_decode_told = msgspec.json.Decoder(Told).decode
_decode_capture = msgspec.json.Decoder(_Capture).decode
_decode_groups = msgspec.json.Decoder(dict[str, _Group]).decode
#: What msgspec raises on hostile input besides its own errors: bad UTF-8, absurd nesting.
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)


def told(line: bytes) -> Told | None:
    """A line of JSON lines; None if it is none."""
    try:
        return _decode_told(line)
    except _UNREADABLE:
        return None


def groups(text: bytes) -> list[Record] | None:
    """One JSON object of groups → `arrays` → lists of messages, in the order of their times; None if it is none.

    A connection is named `<group>/<array>`. Each array stays in its own order; one without any time comes first.
    """
    try:
        found = _decode_groups(text)
    except _UNREADABLE:
        return None
    arrays = [
        list(never_back(_message(f"{group.lower()}/{name}", raw) for raw in messages))
        for group, held in found.items()
        for name, messages in held.arrays.items()
    ]
    earliest = min((record.ts_recv for records in arrays for record in records if record.ts_recv), default=0)
    dated = [[msgspec.structs.replace(r, ts_recv=r.ts_recv or earliest) for r in records] for records in arrays]
    return list(heapq.merge(*dated, key=lambda record: record.ts_recv))


def never_back(records: Iterable[Record]) -> Iterator[Record]:
    """The same records with receipt times that never fall; those before the first known time take that one."""
    last, undated = 0, list[Record]()
    for record in records:
        last = max(last, record.ts_recv)
        if not last:
            undated.append(record)
            continue
        for early in undated:
            yield msgspec.structs.replace(early, ts_recv=last)
        undated.clear()
        yield record if record.ts_recv == last else msgspec.structs.replace(record, ts_recv=last)
    yield from undated


def is_cut(line: bytes) -> bool:
    """True if a last line, which has no line feed, breaks off within its JSON."""
    begins = _JSON_BEGINS.search(line)
    return begins is None or not _is_json(line[begins.start() :])


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except _UNREADABLE:
        return False
    return True


# one function per form ---------------------------------------------------------------------------------------------


def _line(line: bytes) -> Record | None:
    """`<recv ns> <raw frame>`."""
    stamp, _, frame = line.partition(b" ")
    if not (stamp.isdigit() and 18 <= len(stamp) <= 20 and frame):
        return None
    ts_recv = int(stamp)
    return Record(Kind.FRAME, ts_recv, "recording", frame) if ts_recv < _END_NS else None


def _told_record(line: bytes) -> Record | None:
    """A frame, or the reply to a call for a whole book; anything else becomes a header, to be passed over."""
    row = told(line)
    if row is None:
        return None
    ts_recv = int(row.ts * 1e6) * 1_000  # the recorder kept microseconds in a float
    if row.t == "recv" and row.data is not None:
        return Record(Kind.FRAME, ts_recv, row.conn, row.data.encode())
    path, _, query = (row.url or "").partition("?")
    if row.t == "http" and ("depth" in path or "book" in path) and row.data is not None:
        return Record(Kind.REPLY, ts_recv, _asked(query), row.data.encode())
    return Record(Kind.HEADER, ts_recv, row.conn, b"")


def _asked(query: str) -> str:
    """The symbol a call was about."""
    pairs = dict(pair.partition("=")[::2] for pair in query.split("&"))
    return pairs.get("symbol") or pairs.get("instId") or ""


def _capture(line: bytes) -> Record | None:
    """`{"venue", "channel", "frame"}`; a connection is named `<venue>/<channel>`."""
    try:
        row = _decode_capture(line)
    except _UNREADABLE:
        return None
    return _message(f"{row.venue.lower()}/{row.channel}", row.frame)


def _frame(line: bytes) -> Record:
    """A raw frame and nothing else."""
    return Record(Kind.FRAME, _ms_in(line) * MS, "recording", line)


def _row(line: bytes) -> Record:
    """A normalised row; what is none is for its decoder to reject."""
    return Record(Kind.FRAME, row_ms(line) * MS, "recording", line)


def _message(source: str, raw: msgspec.Raw) -> Record:
    frame = bytes(raw).strip()
    if frame.startswith(b'"'):
        frame = msgspec.json.decode(frame, type=str).encode()
    elif b"\n" in frame:
        frame = msgspec.json.format(frame, indent=-1)
    return Record(Kind.FRAME, _ms_in(frame) * MS, source, frame)


def _ms_in(frame: bytes) -> int:
    found = _MS_IN_FRAME.search(frame)
    return int(found[0]) if found else 0


def _are_frames(head: Sequence[bytes]) -> bool:
    """Every line a JSON object or list, and a time in at least one."""
    return all(line[:1] in (b"{", b"[") and _is_json(line) for line in head) and any(map(_ms_in, head))


def _is_header(line: bytes) -> bool:
    row = told(line)
    return row is not None and row.t == "header"


#: In the order they are tried: what says most about itself first.
FORMS = (
    Form("json-lines", lambda head: _is_header(head[0]), _told_record, has_receipts=True),
    Form("lines", lambda head: _line(head[0]) is not None, _line, has_receipts=True),
    Form("captures", lambda head: _capture(head[0]) is not None, _capture, has_receipts=False),
    Form("rows", lambda head: is_row(head[0]), _row, has_receipts=False),
    Form("frames", _are_frames, _frame, has_receipts=False),
)
