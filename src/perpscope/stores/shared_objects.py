"""Where instances share: named objects in a folder or in an object store, one of which is replaced by comparison alone.

An object is there whole or not at all. `swap` puts a head in place of the one that was read, or says that somebody
else was first; whoever lost reads again. The folder keeps a head's last generations as files of their own: the next one
is linked to its name, which one process alone can do, so nobody waits for a lock.
"""

import contextlib
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

import msgspec

from perpscope.errors import ConfigError, StoreError
from perpscope.stores.whole import write_beside

INSTALL: Final = "pip install 'perpscope[cloud]'"
_CLOUDS: Final = ("gs://", "s3://")
#: Generations of a head that stay.
_GENERATIONS: Final = 64
#: Seconds after which a file that a killed process was writing is taken away.
_LEFT_S: Final = 3600.0


class Held(msgspec.Struct, frozen=True):
    """A head as it was read."""

    content: bytes
    version: tuple[str | None, str | None]  #: what the place calls this state of it


class SharedObjects(Protocol):
    """What `shared_maps` asks of a place. Names have parts between slashes; every call may raise `StoreError`."""

    where: str  #: for people

    def get(self, name: str) -> bytes | None:
        """The content of an object; None if there is none."""
        ...

    def put(self, name: str, content: bytes) -> None:
        """Make an object, or make it anew."""
        ...

    def head(self, name: str) -> Held | None:
        """A head and its version; None if there is none."""
        ...

    def swap(self, name: str, content: bytes, before: Held | None) -> Held | None:
        """Replace a head if it is still what was read (None = it was not there); None: somebody else was first."""
        ...

    def names(self, folder: str, after: str = "") -> list[str]:
        """Last parts of the names of a folder's objects, in order, from one that sorts after `after`."""
        ...

    def folders(self, folder: str) -> list[str]:
        """Last parts of the names of the folders in a folder, in order."""
        ...

    def delete(self, name: str) -> None:
        """Take an object away; harmless if there is none."""
        ...


def refuse_unusable(share: str) -> None:
    """Say what is wrong with a `map.share` before anything is started; nothing is connected.

    Raises:
        ConfigError: "share-url" or "extra-missing".
    """
    if not share.startswith(_CLOUDS):
        if "://" in share:
            raise ConfigError(
                "share-url",
                f"map.share {share!r} must be a folder, gs://bucket/prefix or s3://bucket/prefix",
                hint="PERPSCOPE_MAP__SHARE=gs://bucket/maps",
            )
        return
    if not share.partition("://")[2].strip("/"):
        raise ConfigError("share-url", f"map.share {share!r} names no bucket", hint="gs://bucket/prefix")
    if find_spec("obstore") is None:
        raise ConfigError("extra-missing", "an object store needs obstore, which is not installed", hint=INSTALL)


def open_objects(share: str) -> SharedObjects:
    """The place a `map.share` names; nothing is asked of it yet.

    Raises:
        ConfigError: "share-url" or "extra-missing".
        StoreError: "share-unreachable": it cannot be used so.
    """
    refuse_unusable(share)
    if share.startswith(_CLOUDS):
        from perpscope.stores.cloud_objects import CloudObjects  # noqa: PLC0415 -- an extra

        return CloudObjects(share)
    return FolderObjects(Path(share).expanduser())


class FolderObjects:
    """A folder of this machine, or one that several mount; the file system must know hard links."""

    def __init__(self, root: Path) -> None:
        self.where = str(root)
        self._root = root

    def get(self, name: str) -> bytes | None:
        """The content of an object; None if there is none."""
        with self._working(name):
            with contextlib.suppress(FileNotFoundError):
                return (self._root / name).read_bytes()
            return None

    def put(self, name: str, content: bytes) -> None:
        """Make an object, or make it anew."""
        with self._working(name):
            fresh = self._written(self._root / name, content)
            fresh.replace(self._root / name)
            _sync(fresh.parent)

    def head(self, name: str) -> Held | None:
        """A head and its version; None if there is none."""
        with self._working(name):
            while generations := self._generations(name):
                with contextlib.suppress(FileNotFoundError):  # an old one, and gone: look again
                    return Held(self._generation(name, generations[-1]).read_bytes(), (str(generations[-1]), None))
            return None

    def swap(self, name: str, content: bytes, before: Held | None) -> Held | None:
        """Replace a head if it is still what was read; None: somebody else was first."""
        old = 0 if before is None else int(before.version[0] or 0)
        target = self._generation(name, old + 1)
        with self._working(name):
            fresh = self._written(target, content)
            try:
                os.link(fresh, target)
            except FileExistsError:
                return None
            finally:
                fresh.unlink()
            if self._generations(name)[-1] > old + _GENERATIONS:
                target.unlink(missing_ok=True)  # so late that its place had been taken, and let go since
                return None
            _sync(target.parent)
            self._let_go(name)
            return Held(content, (str(old + 1), None))

    def names(self, folder: str, after: str = "") -> list[str]:
        """Last parts of the names of a folder's objects, in order, from one that sorts after `after`."""
        with self._working(folder):
            return self._listed(folder, after, are_folders=False)

    def folders(self, folder: str) -> list[str]:
        """Last parts of the names of the folders in a folder, in order."""
        with self._working(folder):
            return self._listed(folder, "", are_folders=True)

    def delete(self, name: str) -> None:
        """Take an object away; harmless if there is none."""
        with self._working(name):
            (self._root / name).unlink(missing_ok=True)

    def _listed(self, folder: str, after: str, *, are_folders: bool) -> list[str]:
        place = self._root / folder
        if not place.is_dir():
            return []
        changed = place.stat().st_mtime
        found = []
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    _take_away_if_left(entry, changed)
                elif entry.is_dir() is are_folders and entry.name > after:
                    found.append(entry.name)
        return sorted(found)

    def _written(self, target: Path, content: bytes) -> Path:
        """Content on disk beside its place, under a name that nobody reads."""
        target.parent.mkdir(parents=True, exist_ok=True)
        return write_beside(target, content)

    def _generation(self, name: str, number: int) -> Path:
        return self._root / f"{name}.{number:010d}"

    def _generations(self, name: str) -> list[int]:
        place = self._root / name
        return sorted(
            int(number) for file in place.parent.glob(f"{place.name}.*") if (number := file.suffix[1:]).isdigit()
        )

    def _let_go(self, name: str) -> None:
        """All but the newest generations go."""
        for number in self._generations(name)[:-_GENERATIONS]:
            self._generation(name, number).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _working(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unreachable(f"{self._root / name}: {error.strerror or error}") from error


def unreachable(what: str) -> StoreError:
    """Shared maps cannot be read or written."""
    return StoreError("share-unreachable", f"shared maps: {what}", hint="maps are kept here; it is tried again")


def _take_away_if_left(entry: "os.DirEntry[str]", changed: float) -> None:
    """A file that was never put in its place goes, once the folder has changed for so long since."""
    with contextlib.suppress(OSError):
        if entry.is_file() and changed - entry.stat().st_mtime > _LEFT_S:
            os.unlink(entry.path)


def _sync(folder: Path) -> None:
    """Have the names of a folder on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
