"""One row of a chain of snapshots: a line of JSON that ends with the hash of all before it, the row before included.

The hash is over the line's very bytes, so that nothing in a row can be written otherwise and still be it. A row says
what was snapped, by which parameters, and where its payload lies and hashes to; the payload may go, the row stays.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import msgspec

#: What the first row follows.
BEGINNING: Final = "0" * 64
NOTHING: Final = hashlib.sha256(b"").hexdigest()
DAY_NS: Final = 86_400_000_000_000
_KEY, _END = b',"chain":"', b'"}'
_TAIL: Final = len(_KEY) + 64 + len(_END)
_PADDED = "%2E"


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be kept of one moment."""

    ts: int  #: ns UTC, market time
    symbol: str  #: whose chain
    data: str  #: "observed", "demo" or "replay"
    venues: tuple[str, ...]
    formula: str
    profile: str
    parameters: str  #: sha256 of all that the payload was made by besides data
    payload: bytes


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a chain, in the order its fields are written."""

    row: int  #: from 0
    kind: str  #: "map"; "begun", "recovered" or "dropped" tell of the chain itself, in `note`
    ts: int  #: ns UTC
    day: str  #: UTC, of the files it lies in
    symbol: str
    data: str = ""
    venues: tuple[str, ...] = ()
    formula: str = ""
    profile: str = ""
    parameters: str = ""
    at: int = 0  #: where its payload begins in the day's file of payloads
    bytes: int = 0  #: of its payload
    payload: str = NOTHING  #: sha256 of it
    note: str = ""
    previous: str  #: `chain` of the row before


class Linked(msgspec.Struct, frozen=True):
    """A row with the hash of its line."""

    row: Row
    chain: str  #: sha256, 64 hexadecimal digits


def line_of(row: Row) -> tuple[bytes, str]:
    """The line of a row, and its hash."""
    body = msgspec.json.encode(row)[:-1]
    chain = hashlib.sha256(body).hexdigest()
    return body + _KEY + chain.encode() + _END + b"\n", chain


def read_line(line: bytes) -> Linked | None:
    """A row from its line, without the newline; None if a byte of it is not what was written."""
    body, tail = line[:-_TAIL], line[-_TAIL:]
    chain = tail[len(_KEY) : -len(_END)]
    if not (body and tail.startswith(_KEY) and tail.endswith(_END)):
        return None
    if hashlib.sha256(body).hexdigest().encode() != chain:
        return None
    try:
        return Linked(msgspec.json.decode(body + b"}", type=Row), chain.decode())
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None


def day_of(ts: int) -> str:
    """The UTC day of a moment (ns), e.g. "2026-11-21".

    >>> day_of(1_723_118_400_000_000_000)
    '2024-08-08'
    """
    return datetime.fromtimestamp(ts // 1_000_000_000, UTC).strftime("%Y-%m-%d")


def folder_name(symbol: str) -> str:
    """A symbol as the name of a folder.

    >>> folder_name("BTC"), folder_name("../x"), symbol_of(folder_name("../x"))
    ('BTC', '%2E.%2Fx', '../x')
    """
    name = quote(symbol, safe="")
    return _PADDED + name[1:] if name.startswith(".") else name


def symbol_of(folder: str) -> str:
    """The symbol whose folder that is; `folder_name` back."""
    return unquote(folder)


def head_line(linked: Linked) -> bytes:
    """What the head of a chain says: the newest row's number and hash."""
    return f"{linked.row.row} {linked.chain}\n".encode()


def folder_of(store: Path) -> Path:
    """Where the maps of a store are kept: beside it."""
    return store.with_name(store.name + ".maps")
