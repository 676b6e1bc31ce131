"""A model in a folder: `manifest.json` and the files it names. Nothing in it is code.

The manifest says what the model is asked with, how its figures become probabilities, what it was trained on and what
came of it; `hash` is that of its own content and of every file, and a folder that does not match it is refused.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from perpscope.analytics.models.calibration import Calibration
from perpscope.analytics.models.drift import Shape
from perpscope.errors import DataError

NAME: Final = "manifest.json"
_VERSION: Final = 1
_encode = msgspec.json.Encoder(order="deterministic").encode
_HINT: Final = "train it again: perpscope study train DATA --out FOLDER"


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One question: does a long, or a short, bring a net gain within the horizon?"""

    share: float  #: how often it did where the model learnt: climatology's first word
    calibration: Calibration
    gain: float  #: mean net return where it did, fraction
    rest: float  #: mean net return where it did not
    state: list[list[float]] | None = None  #: of the online regression
    file: str | None = None  #: of the trees, ONNX


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is."""

    id: str  #: of the model, e.g. "logistic-3f9c1a20"
    kind: str  #: climatology, logistic or lightgbm
    features: list[str]
    shapes: list[Shape]  #: how each feature lay where the model learnt
    sides: dict[str, Side]  #: up, down
    horizon_min: int
    cost: float  #: of a trade there and back, fraction
    edge_min: float  #: least expected net return that is acted on, fraction
    p_min: float  #: least probability that is acted on
    spread: float  #: standard deviation of an expected net return among the folds' models, fraction
    is_promoted: bool
    verdict: str
    trained_ms: tuple[int, int]  #: first and last minute learnt from, epoch ms
    data_hash: str
    sources: list[str]
    files: dict[str, str] = {}  #: sha256 by name
    hash: str = ""
    version: int = _VERSION


def save(folder: Path, manifest: Manifest, files: dict[str, bytes]) -> Manifest:
    """Write a model's folder, which may be there already; its manifest last.

    Raises:
        DataError: it cannot be written ("model-folder").
    """
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    whole = msgspec.structs.replace(manifest, files=hashes, hash="")
    digest = _digest(whole)
    whole = msgspec.structs.replace(whole, hash=digest, id=f"{manifest.kind}-{digest[:8]}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        (folder / NAME).write_bytes(msgspec.json.format(_encode(whole), indent=1) + b"\n")
    except OSError as error:
        raise DataError(
            "model-folder", f"the model cannot be kept in {folder}: {error.strerror}", hint="name another with --out"
        ) from error
    return whole


def load(folder: Path) -> tuple[Manifest, dict[str, bytes]]:
    """A model's manifest and files.

    Raises:
        DataError: there is none ("model-missing"), or it is not what was written ("model-broken").
    """
    try:
        raw = (folder / NAME).read_bytes()
    except OSError as error:
        raise DataError("model-missing", f"there is no model in {folder}: {error.strerror}", hint=_HINT) from error
    return read(raw, lambda name: (folder / name).read_bytes(), str(folder))


def read(raw: bytes, content_of: Callable[[str], bytes], where: str) -> tuple[Manifest, dict[str, bytes]]:
    """The same from bytes. Raises as `load`."""
    try:
        found = msgspec.json.decode(raw, type=Manifest)
        if found.version != _VERSION or found.hash != _digest(found):
            raise DataError("model-broken", f"{where}: the manifest is not what was written", hint=_HINT)
        files = {name: content_of(name) for name in found.files if name == Path(name).name}
    except (msgspec.MsgspecError, OSError) as error:
        raise DataError("model-broken", f"{where}: {error}", hint=_HINT) from error
    for name, digest in found.files.items():
        if name not in files or hashlib.sha256(files[name]).hexdigest() != digest:
            raise DataError("model-broken", f"{where}: {name} is not what was written", hint=_HINT)
    return found, files


def _digest(manifest: Manifest) -> str:
    plain = msgspec.structs.replace(manifest, hash="", id="")
    return hashlib.sha256(_encode(plain)).hexdigest()
