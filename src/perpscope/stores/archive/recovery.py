"""What a crash left behind in an archive, put right before anything is written.

In: an open manifest. Out: what was found, in words. Half-written files go; whole ones the manifest does not name are
entered, unless they were replaced or are themselves a merger that was not carried through; those it names that are torn
are set aside, and what they held becomes a gap.
"""

from pathlib import Path
from typing import Final
from urllib.parse import unquote

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types

from perpscope.model.stream import Channel
from perpscope.stores.archive.files import QUARANTINE, Entry, Place, fault_of, sha256_of
from perpscope.stores.archive.manifest import Manifest
from perpscope.stores.archive.tables import VERSION
from perpscope.stores.archive.upkeep import set_aside, sweep_gone

_PLACE_PARTS: Final = 5  #: venue, channel, symbol, day, file


def recover(manifest: Manifest) -> list[str]:
    """Bring files and manifest into agreement.

    Raises:
        OSError: the archive's folder cannot be read or changed.
    """
    root = manifest.root
    findings = []
    sweep_gone(manifest)
    for path in root.rglob(".*.tmp"):
        path.unlink(missing_ok=True)
        findings.append(f"{path.relative_to(root).as_posix()}: half-written, deleted")
    listed = {entry.path: entry for entry in manifest.entries()}
    for entry in list(listed.values()):
        fault = fault_of(root, entry)
        if fault is not None:
            findings.append(set_aside(manifest, entry, fault))
            del listed[entry.path]
    unlisted = [path for path in root.rglob("*.parquet") if path.relative_to(root).as_posix() not in listed]
    found = [_examined(root, path, manifest.kind.value) for path in unlisted]
    replaced = {name for _, _, names in found if not listed for name in names}
    for path, entry_or_fault, names in found:
        name = path.relative_to(root).as_posix()
        if isinstance(entry_or_fault, str):
            path.rename(path.with_name(path.name + ".damaged"))
            findings.append(f"{name}: {entry_or_fault}; set aside")
        elif name in replaced or (names and not _stands_for(names, listed) and listed):
            path.unlink()
            findings.append(f"{name}: its rows are in other files, deleted")
        else:
            with manifest.step():
                manifest.add([entry_or_fault])
                manifest.drop([other for other in names if other in listed], "compacted")
            findings.append(f"{name}: whole, but not in the manifest; entered")
    sweep_gone(manifest)
    return findings


def _stands_for(names: list[str], listed: dict[str, Entry]) -> bool:
    """Whether a merger was made of exactly what is still listed."""
    return all(name in listed for name in names)


def _examined(root: Path, path: Path, kind: str) -> tuple[Path, Entry | str, list[str]]:
    """A file the manifest does not name: its entry, or what is wrong with it; and which files it replaces."""
    try:
        file = pq.ParquetFile(path)
        told = {name.decode(): text.decode() for name, text in (file.schema_arrow.metadata or {}).items()}
        if told.get("perpscope.kind") != kind or told.get("perpscope.version") != str(VERSION):
            return path, f"not {kind} data of version {VERSION}", []
        file.read()  # a torn page shows here
        entry = _entry(root, path, file)
    except (OSError, ValueError, pa.ArrowException) as error:
        return path, f"no whole Parquet file: {error}", []
    replaces = msgspec.json.decode(told.get("perpscope.replaces", "[]"), type=list[str])
    return path, msgspec.structs.replace(entry, is_compact=bool(replaces)), replaces


def _entry(root: Path, path: Path, file: pq.ParquetFile) -> Entry:
    name = path.relative_to(root).as_posix()
    parts = name.split("/")
    is_quarantined = parts[0] == QUARANTINE
    venue, channel, symbol, day, _ = parts[-_PLACE_PARTS:]
    place = Place(venue, Channel(channel), unquote(symbol), day, is_quarantined)
    times = file.read(columns=["ts_event"]).column("ts_event")
    ends = (times[0].as_py(), times[-1].as_py())
    return Entry(name, place, len(times), path.stat().st_size, sha256_of(path), *ends)
