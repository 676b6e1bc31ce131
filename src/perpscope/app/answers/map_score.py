"""How good the map is, as it was measured: the lab's newest result, and this store's own where there is one."""

import importlib.resources
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app.study import map_kept
from perpscope.app.study.map_score import MapScore

_SHIPPED: Final = "map_score.json"


class MapScores(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the map's worth."""

    told: str  #: in one line, as beneath every map
    lab: MapScore  #: on generated markets, whose truth is known
    store: MapScore | None  #: on what this store holds; None = it was not measured


def read_map_score(path: Path | None) -> MapScores:
    """The results that stand.

    Args:
        path: the store; None = the lab's result alone.
    """
    kept = _kept()
    lab = [one for one in kept if one.data.source == "lab"] or [_shipped()]
    own = [one for one in kept if path is not None and one.data.store == str(path)]
    return MapScores(
        told=map_kept.measured(path),
        lab=max(lab, key=lambda one: (sum(card.windows for card in one.horizons), one.made_ms)),
        store=_nameless(max(own, key=lambda one: one.made_ms)) if own else None,
    )


def _nameless(found: MapScore) -> MapScore:
    """Without the path of the file it is of: that is nobody's business beyond this machine."""
    return msgspec.structs.replace(found, data=msgspec.structs.replace(found.data, store=None))


def _shipped() -> MapScore:
    text = importlib.resources.files("perpscope.app.study").joinpath(_SHIPPED).read_bytes()
    return msgspec.json.decode(text, type=MapScore)


def _kept() -> list[MapScore]:
    """Every result that is kept; a file that is none is passed over."""
    found = []
    for file in sorted(map_kept.folder().glob("map-score-*.json")):
        try:
            found.append(msgspec.json.decode(file.read_bytes(), type=MapScore))
        except (msgspec.MsgspecError, OSError):
            continue
    return found
