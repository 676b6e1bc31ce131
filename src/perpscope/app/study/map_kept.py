"""Results of `study map-score`, kept and told: dated JSON in the data folder, and the line beneath every map.

In: a `MapScore`, or nothing. Out: a file that appears whole; the sentence that says what is measured. With nothing kept
the result that perpscope came with stands: of the lab, with its date.
"""

import importlib.resources
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app import places
from perpscope.errors import StoreError
from perpscope.stores.whole import replace_file

_SHIPPED: Final = "map_score.json"
_MS: Final = 1000.0


class _Horizon(msgspec.Struct):
    minutes: int
    lift: float
    bits: float
    bits_low: float
    bits_high: float
    windows: int


class _Lab(msgspec.Struct):
    seeds: list[int]
    days: float


class _Data(msgspec.Struct):
    source: str
    markets: list[str]
    lab: _Lab | None = None
    store: str | None = None


class Kept(msgspec.Struct):
    """As much of a result as the line needs."""

    made_ms: int
    is_better: bool
    data: _Data
    horizons: list[_Horizon]


def folder() -> Path:
    """Where results are kept."""
    return places.data_folder() / "scores"


def keep(result: msgspec.Struct, source: str, made_ms: int) -> Path:
    """Write a result down under its date; the file appears whole or not at all.

    Raises:
        StoreError: it cannot be written.
    """
    when = datetime.fromtimestamp(made_ms / _MS, UTC).strftime("%Y%m%d-%H%M%S")
    place = folder() / f"map-score-{source}-{when}.json"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_file(place, msgspec.json.format(msgspec.json.encode(result), indent=1))
    except OSError as error:
        raise StoreError(
            "output-folder", f"cannot write to {str(place)!r}: {error.strerror}", hint="mend its permissions"
        ) from error
    return place


def measured(database: Path | None = None) -> str:
    """What is known of the map's worth, in one line, for every face that shows a map.

    Args:
        database: whose own result is told beside the lab's; None = the lab's alone.
    """
    kept = _all()
    lab = [one for one in kept if one.data.source == "lab"] or [_shipped()]
    own = [one for one in kept if database is not None and one.data.store == str(database)]
    told = [_told(max(lab, key=_weight), "the lab")]
    told.append(_told(max(own, key=lambda one: one.made_ms), "your data") if own else "not measured on your data")
    return "measured: " + "; ".join(told)


def _weight(one: Kept) -> tuple[int, int]:
    """Of the lab's results the one of most windows counts, then the newest."""
    return sum(horizon.windows for horizon in one.horizons), one.made_ms


def _told(one: Kept, where: str) -> str:
    day = datetime.fromtimestamp(one.made_ms / _MS, UTC).strftime("%Y-%m-%d")
    last = one.horizons[-1]
    seeds = "" if one.data.lab is None else f"{len(one.data.lab.seeds)} seeds × {one.data.lab.days:g} days, "
    bits = f"{last.bits:+.2f} bit [{last.bits_low:+.2f}, {last.bits_high:+.2f}]".replace("-", "−")
    figures = f"{bits}, lift {last.lift:.1f} at {last.minutes} min on {where} ({seeds}{day})"
    return figures if one.is_better else f"Not better than distance: {figures}"


def _shipped() -> Kept:
    text = importlib.resources.files("perpscope.app.study").joinpath(_SHIPPED).read_bytes()
    return msgspec.json.decode(text, type=Kept)


def _all() -> list[Kept]:
    """Every result that is kept; a file that is none is passed over."""
    found = []
    for file in sorted(folder().glob("map-score-*.json")):
        try:
            found.append(msgspec.json.decode(file.read_bytes(), type=Kept))
        except (msgspec.MsgspecError, OSError):
            continue
    return found
