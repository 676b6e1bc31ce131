"""Maps as they stand, put away: one file for each symbol, which is whole or not there, and checked when it is read.

In and out: a header and arrays by name, of each venue. A file that cannot be trusted is set aside by whoever writes.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from perpscope.errors import StoreError
from perpscope.stores.snapshot_rows import folder_name
from perpscope.stores.whole import replace_file

Array = NDArray[np.float64] | NDArray[np.int64]
NAME: Final = "kept"
_MAGIC: Final = b"perpscope map 1\n"
_DIGEST: Final = hashlib.sha256().digest_size
_LEVEL: Final = 1
_LARGEST: Final = 1 << 30  #: bytes of a file unpacked


class Rungs(msgspec.Struct, frozen=True):
    """A ladder without its arrays."""

    family: str
    names: list[str]
    leverages: list[float | None]
    notionals_usd: list[float | None]
    tilted: bool


class KeptVenue(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's part."""

    instrument: str
    since: int  #: ns UTC, where its bars begin
    until: int  #: ns UTC, up to where they are taken
    filled: int  #: ns of its past that had been asked for afterwards when it was made
    theirs: int = 0  #: ns UTC, up to where another instance took its minutes; 0 = none did
    ladders: list[Rungs]
    inflows: list[str]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What was put away."""

    symbol: str
    profile: str
    setting: str  #: sha256 of the arithmetic's constants
    venues: list[KeptVenue]


class _Array(msgspec.Struct, frozen=True):
    type: Literal["float64", "int64"]
    shape: list[int]
    data: bytes


def _array(one: _Array) -> Array:
    raw = bytearray(one.data)
    if one.type == "int64":
        return np.frombuffer(raw, np.int64).reshape(one.shape)
    return np.frombuffer(raw, np.float64).reshape(one.shape)


class _File(msgspec.Struct, frozen=True):
    kept: Kept
    arrays: list[dict[str, _Array]]


def save(folder: Path, kept: Kept, arrays: list[Mapping[str, Array]]) -> int:
    """Put a symbol's maps away; bytes of the file.

    Args:
        folder: of the store's maps; it must be there.
        kept: header.
        arrays: of each of its venues.

    Raises:
        OSError: it cannot be written; the one before is as it was.
    """
    packed = [
        {
            name: _Array("int64" if array.dtype == np.int64 else "float64", list(array.shape), array.tobytes())
            for name, array in of_venue.items()
        }
        for of_venue in arrays
    ]
    body = zstandard.ZstdCompressor(level=_LEVEL).compress(msgspec.msgpack.encode(_File(kept, packed)))
    place = folder / folder_name(kept.symbol)
    place.mkdir(exist_ok=True)
    content = _MAGIC + hashlib.sha256(body).digest() + body
    replace_file(place / NAME, content)
    return len(content)


def load(folder: Path, symbol: str) -> tuple[Kept, list[dict[str, Array]]] | None:
    """What was put away of a symbol; None if nothing was.

    Raises:
        StoreError: "map-kept-broken": it is not what was written.
    """
    path = folder / folder_name(symbol) / NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _broken(str(path), str(error.strerror)) from error
    return read(content, str(path))


def content_of(folder: Path, symbol: str) -> bytes | None:
    """The bytes of a symbol's file; None where there is none, or it cannot be read."""
    try:
        return (folder / folder_name(symbol) / NAME).read_bytes()
    except OSError:
        return None


def read(content: bytes, where: str) -> tuple[Kept, list[dict[str, Array]]]:
    """What was put away, from the bytes of its file.

    Args:
        content: of the file.
        where: it came from, for people.

    Raises:
        StoreError: "map-kept-broken": it is not what was written.
    """
    start = len(_MAGIC) + _DIGEST
    digest, body = content[len(_MAGIC) : start], content[start:]
    if not content.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
        raise _broken(where, "it is not what was written")
    try:
        raw = zstandard.ZstdDecompressor().decompress(body, max_output_size=_LARGEST)
        file = msgspec.msgpack.decode(raw, type=_File)
    except (zstandard.ZstdError, msgspec.ValidationError, msgspec.DecodeError) as error:
        raise _broken(where, f"it is of another form: {error}") from error
    return file.kept, [{name: _array(one) for name, one in of_venue.items()} for of_venue in file.arrays]


def set_aside(folder: Path, symbol: str) -> Path:
    """Put a file that cannot be trusted out of the way; the newest such replaces the one before."""
    path = folder / folder_name(symbol) / NAME
    return path.replace(path.with_name(f"{NAME}.broken"))


def _broken(where: str, why: str) -> StoreError:
    return StoreError("map-kept-broken", f"{where}: {why}", hint="it is made anew from the database when collecting")
