"""What a trading journal holds, row by row, and how a row is written and read back.

Bodies are JSON with the money as text, so that they read the same everywhere, beside the CRC of their bytes: a flipped
bit in one is seen when it is read, which SQLite's own check of a file would miss.
"""

import zlib
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import msgspec

from perpscope.errors import StoreError
from perpscope.model.exchange import FundingReport, TradeReport
from perpscope.model.instrument import InstrumentId
from perpscope.model.order import OrderRequest
from perpscope.model.run import RunKind
from perpscope.model.trade_status import TradeStatus

#: State of an order that was written down and of which nothing else is known: it may have been sent, or not.
INTENDED: Final = "intended"

_encode = msgspec.json.Encoder(order="sorted").encode
Body: TypeAlias = OrderRequest | TradeReport | FundingReport | TradeStatus
R = TypeVar("R", bound=msgspec.Struct)


class JournalRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of one strategy on one instrument of one account."""

    id: str
    kind: RunKind
    account: str
    strategy: str
    instrument: InstrumentId
    parameters: dict[str, float]
    begun_ms: int  #: real time, epoch ms
    data: str  #: "observed" or "demo"
    ended_ms: int | None = None  #: real time; None = it runs, or broke off


class JournalOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order, and what has become of it so far."""

    request: OrderRequest
    state: str  #: "intended", or what was last noted
    filled: Decimal  #: base units, of the fills that are known
    venue_id: str = ""
    why: str = ""
    is_own: bool = True  #: a decision of the strategy's; False = one that the gateway made by itself
    ts: int = 0  #: ns UTC, of what was last noted; of the decision until then
    wished: Decimal | None = None  #: base units that were decided, where more than was sent
    bound: str = ""  #: what made them fewer, see `model.order.SmallerOrder`


class JournalFill(msgspec.Struct, frozen=True, kw_only=True):
    """One fill."""

    run: str
    order: str  #: its id; empty of one that no order of ours explains
    trade: TradeReport


class NumberedFill(msgspec.Struct, frozen=True, kw_only=True):
    """A fill with its place in the journal, for whoever follows it."""

    number: int
    fill: JournalFill
    role: str  #: of its order, a word of `model.order.Role`; empty where none of ours explains it


class JournalAct(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit: who did what, chained to the line before it."""

    seq: int  #: from 1, without a hole
    at_ms: int  #: epoch ms; of orders market time, else real time
    who: str
    what: str
    why: str
    before: str  #: hash of the line before it
    hash: str  #: sha256 of all the above


def place(database: Path, kind: RunKind) -> Path:
    """The journal beside a database; those of paper and of live are files apart (S38).

    Raises:
        ValueError: a backtest has none.
    """
    if kind is RunKind.BACKTEST:
        raise ValueError("a backtest keeps no journal")
    return database.with_name(f"{database.name}.{kind.value}")


def is_own(order: str) -> bool:
    """Whether an order's id is of a strategy's decision: `<run>-<strategy>-<number>`, not `…-x<number>`.

    >>> is_own("7f3a-burst-12"), is_own("7f3a-burst-x1")
    (True, False)
    """
    return order.rpartition("-")[2].isdigit()


def number_of(order: str, prefix: str = "") -> int:
    """The number at the end of an order's id; 0 if there is none with that prefix.

    >>> number_of("7f3a-burst-12"), number_of("7f3a-burst-x3"), number_of("7f3a-burst-x3", "x")
    (12, 0, 3)
    """
    last = order.rpartition("-")[2]
    digits = last.removeprefix(prefix) if last.startswith(prefix) else ""
    return int(digits) if digits.isdigit() else 0


def packed(body: OrderRequest | TradeReport | FundingReport | TradeStatus) -> tuple[bytes, int]:
    """A body and the CRC of its bytes."""
    raw = _encode(body)
    return raw, zlib.crc32(raw)


def check(raw: bytes | str, crc: int, kind: type[msgspec.Struct]) -> None:
    """See that a body is what was written.

    Raises:
        StoreError: "journal-damaged".
    """
    if not isinstance(raw, bytes) or zlib.crc32(raw) != crc:
        raise StoreError(
            "journal-damaged",
            f"a {kind.__name__} of the journal is not what was written: {raw[:60]!r}",
            hint="move the file aside: what stands on the exchange is taken over from there",
        )


def unpacked(raw: bytes | str, crc: int, kind: type[R]) -> R:
    """A body read back.

    Raises:
        StoreError: "journal-damaged".
    """
    check(raw, crc, kind)
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.MsgspecError as error:
        raise StoreError(
            "journal-damaged",
            f"a {kind.__name__} of the journal cannot be read: {error}",
            hint="was it written by a later perpscope? use that one",
        ) from error
