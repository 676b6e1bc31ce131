"""A map as one snapshot, and back: expected dollars by bin, each within 1 %, with what it was made of beside it.

The codes are the heatmap's (METHOD 6.9), so that a column of it is read off a snapshot as it was published.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import zstandard

from perpscope.analytics.liqmap import heat
from perpscope.analytics.liqmap.bars import Setting
from perpscope.analytics.liqmap.ladder import Ladder
from perpscope.analytics.liqmap.levels import Bins, Status
from perpscope.analytics.margin_arrays import Floats
from perpscope.errors import StoreError

#: Of the payload; grows when a field changes its meaning.
FORM: Final = 1
_LARGEST: Final = 1 << 24  #: bytes unpacked


class SnappedVenue(msgspec.Struct, frozen=True, kw_only=True):
    """What one venue's part rests on."""

    instrument: str
    since: int  #: ns UTC, where its bars begin
    until: int  #: ns UTC, up to where they were taken
    mark: float  #: quote per base
    open_interest: float  #: base units


class Snapped(msgspec.Struct, frozen=True, kw_only=True):
    """A payload. Bins are `width × (first … first + bins)`, quote units."""

    form: int = FORM
    horizon_min: float
    mark: float  #: quote per base, of the venue with most open interest
    low: float  #: of the time since the snapshot before
    high: float
    open_interest_usd: float
    width: float
    first: int
    bins: int
    at: tuple[bytes, bytes]  #: places of bins that hold something, long and short, uint32
    codes: tuple[bytes, bytes]  #: their dollars, uint16
    status: bytes  #: of each bin, longs then shorts: `levels.Status`
    beyond_usd: tuple[float, float]
    venues: list[SnappedVenue]

    @property
    def edges(self) -> Floats:
        """(bins + 1,) quote per base; the same floats as `levels.edges_around` gives."""
        return np.asarray(self.width * np.arange(self.first, self.first + self.bins + 1), np.float64)

    @property
    def usd(self) -> Floats:
        """(2, bins) dollars expected to be closed by force, longs and shorts, within 1 %."""
        found = np.zeros((2, self.bins))
        for side in (0, 1):
            at = np.frombuffer(self.at[side], np.uint32)
            found[side, at] = heat.decoded(np.frombuffer(self.codes[side], np.uint16))
        return found

    @property
    def statuses(self) -> list[list[str]]:
        """Names of the statuses of each bin, longs and shorts."""
        names = [Status(code).name for code in self.status]
        return [names[: self.bins], names[self.bins :]]


def pack(
    bins: Bins, width: float, *, horizon_min: float, span: tuple[float, float], venues: list[SnappedVenue]
) -> bytes:
    """The payload of a map; the same map gives the same bytes.

    Args:
        bins: over multiples of `width`.
        width: of a bin, quote units.
        horizon_min: the map is for.
        span: lowest and highest price since the snapshot before.
        venues: it is made of.
    """
    columns = [heat.column(0, bins.usd[side]) for side in (0, 1)]
    told = Snapped(
        horizon_min=horizon_min,
        mark=bins.mark,
        low=span[0],
        high=span[1],
        open_interest_usd=bins.open_interest_usd,
        width=width,
        first=round(float(bins.edges[0]) / width),
        bins=bins.edges.size - 1,
        at=(columns[0].at.tobytes(), columns[1].at.tobytes()),
        codes=(columns[0].codes.tobytes(), columns[1].codes.tobytes()),
        status=bins.status.astype(np.uint8).tobytes(),
        beyond_usd=(float(bins.beyond_usd[0]), float(bins.beyond_usd[1])),
        venues=venues,
    )
    return zstandard.ZstdCompressor(level=9).compress(msgspec.msgpack.encode(told))


def unpack(payload: bytes) -> Snapped:
    """A payload as it was.

    Raises:
        StoreError: "snapshot-broken": it is none of this form.
    """
    try:
        raw = zstandard.ZstdDecompressor().decompress(payload, max_output_size=_LARGEST)
        found = msgspec.msgpack.decode(raw, type=Snapped)
    except (zstandard.ZstdError, msgspec.ValidationError, msgspec.DecodeError) as error:
        raise StoreError("snapshot-broken", f"a snapshot is of another form: {error}") from error
    if found.form != FORM:
        raise StoreError("snapshot-broken", f"a snapshot is of form {found.form}, not {FORM}")
    return found


def parameters_of(setting: Setting, ladders: Sequence[Sequence[Ladder]]) -> str:
    """sha256 of all that a map is made by besides data: constants, and each venue's ladders."""
    digest = hashlib.sha256(setting_of(setting).encode())
    for of_venue in ladders:
        for ladder in of_venue:
            digest.update(f"{ladder.family} {ladder.tilted} {[rung.name for rung in ladder.rungs]}".encode())
            digest.update(ladder.offsets.tobytes() + ladder.weights.tobytes())
    return digest.hexdigest()


def setting_of(setting: Setting) -> str:
    """sha256 of the arithmetic's constants."""
    return hashlib.sha256(msgspec.json.encode(setting)).hexdigest()
