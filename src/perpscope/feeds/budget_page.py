"""The page on which all perpscope processes of this machine write what they asked of a venue.

In: the file of one budget, or memory for a budget nobody shares. Out: a `Door` (is the venue closed to us) and `Slot`s
(what is owed), read and written under a lock that the system takes back when its holder dies. Each record carries a
checksum; what is torn or garbage is begun anew, which forgets a budget but never stops anybody.
Times are seconds of the monotonic clock, which all processes share until the machine starts anew.
"""

import fcntl
import os
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

#: Slot 0 is the address's budget; the limits of single paths share the others, by their names' checksum.
SLOTS = 1021
WHY_BYTES = 120
_DOOR = struct.Struct(f"<16s8d{WHY_BYTES}s")
_SLOT = struct.Struct("<8d")
_CHECKSUM = struct.Struct("<I")
_DOOR_BYTES = 256
_SLOT_BYTES = _SLOT.size + _CHECKSUM.size
_PAGE_BYTES = _DOOR_BYTES + SLOTS * _SLOT_BYTES
#: A lock is held for microseconds; the system may have stopped its holder for longer.
_TRIES, _BETWEEN_TRIES_S = 10, 0.0002
#: A file nobody has touched for so long is thrown away: no ban is longer.
_FORGOTTEN_S = 4 * 86_400.0

_log = structlog.get_logger()


class Busy(Exception):
    """Somebody else holds the lock for unusually long."""


class Door(msgspec.Struct):
    """Whether the venue has shut its door, and what it says that this address used."""

    closed_until: float = 0.0  #: monotonic s
    closed_wall_s: float = 0.0  #: the same instant, s UTC
    closed_for_s: float = 0.0
    minute_at: float = 0.0  #: monotonic s, when the venue's minute was first heard of
    minute_from: float = 0.0  #: what we had been granted when it began
    used: float = 0.0  #: weight, as last told
    others: float = 0.0  #: of it, not ours
    reserved: float = 0.0
    why: str = ""


class Claim(msgspec.Struct):
    """Who is next of those of one urgency. It lapses by itself, should he die."""

    by: float = 0.0  #: 0 for nobody
    until: float = 0.0  #: monotonic s


class Slot(msgspec.Struct):
    """What is owed of one limit, and who is next."""

    free_at: float = 0.0  #: monotonic s at which nothing is owed any more
    granted: float = 0.0  #: weight, ever
    claims: tuple[Claim, Claim, Claim] = msgspec.field(default_factory=lambda: (Claim(), Claim(), Claim()))


class Cells(Protocol):
    """Bytes under a lock."""

    def lock(self) -> None:
        """Wait a little for the lock; raises Busy or OSError."""
        ...

    def unlock(self) -> None:
        """Let go of it."""
        ...

    def read(self, at: int, size: int) -> bytes:
        """Bytes from `at` on."""
        ...

    def write(self, at: int, data: bytes) -> None:
        """Overwrite bytes from `at` on."""
        ...

    def close(self) -> None:
        """Give up what is held. Once only."""
        ...


class OwnCells:
    """Memory of this process alone.

    Args:
        filled: what it begins with.
    """

    def __init__(self, filled: bytes = b"") -> None:
        self._bytes = bytearray(filled[:_PAGE_BYTES].ljust(_PAGE_BYTES, b"\0"))

    def lock(self) -> None:
        """Nobody else is there."""

    def unlock(self) -> None:
        """Nobody else is there."""

    def read(self, at: int, size: int) -> bytes:
        """Bytes from `at` on."""
        return bytes(self._bytes[at : at + size])

    def write(self, at: int, data: bytes) -> None:
        """Overwrite bytes from `at` on."""
        self._bytes[at : at + len(data)] = data

    def close(self) -> None:
        """Nothing is held."""


class SharedCells:
    """A file under `flock`, made if it is not there.

    Raises:
        OSError: it cannot be made, opened or filled.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._opened()

    def _opened(self) -> int:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if os.fstat(file).st_size != _PAGE_BYTES:
                os.ftruncate(file, _PAGE_BYTES)
                os.posix_fallocate(file, 0, _PAGE_BYTES)  # a disk that fills up later does not concern us
        except OSError:
            os.close(file)
            raise
        return file

    def lock(self) -> None:
        """Wait a little for the lock; raises Busy or OSError."""
        for _ in range(_TRIES):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_BETWEEN_TRIES_S)
                continue
            if os.fstat(self._file).st_nlink:
                return
            os.close(self._file)  # the file was removed: whoever comes now has made another
            self._file = self._opened()
        raise Busy(str(self._path))

    def unlock(self) -> None:
        """Let go of it."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def read(self, at: int, size: int) -> bytes:
        """Bytes from `at` on."""
        return os.pread(self._file, size, at)

    def write(self, at: int, data: bytes) -> None:
        """Overwrite bytes from `at` on."""
        os.pwrite(self._file, data, at)

    def close(self) -> None:
        """Give up what is held. Once only."""
        os.close(self._file)


class Page:
    """Records in cells; read and written only within `locked`."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._boot = _boot_id()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else reads or writes meanwhile; raises Busy or OSError."""
        self._cells.lock()
        try:
            yield
        finally:
            self._cells.unlock()

    def close(self) -> None:
        """Give up what is held. Once only."""
        self._cells.close()

    def door(self) -> Door:
        """The door; as of an earlier start of the machine, its times are made those of this one."""
        raw = self._cells.read(0, _DOOR.size + _CHECKSUM.size)
        told = self._checked(raw, _DOOR)
        if told is None:
            return Door()
        boot, *numbers, why = _DOOR.unpack(told)
        door = Door(*numbers)
        door.why = why.rstrip(b"\0").decode("utf-8", "replace")
        return door if boot == self._boot else Door(closed_wall_s=door.closed_wall_s, closed_for_s=door.closed_for_s)

    def put_door(self, door: Door) -> None:
        """Write the door."""
        why = door.why.encode()[:WHY_BYTES]
        numbers = (getattr(door, name) for name in Door.__struct_fields__[:8])
        self._put(0, _DOOR.pack(self._boot, *numbers, why))

    def slot(self, number: int) -> Slot:
        """One slot."""
        raw = self._cells.read(_DOOR_BYTES + number * _SLOT_BYTES, _SLOT_BYTES)
        told = self._checked(raw, _SLOT)
        if told is None:
            return Slot()
        free_at, granted, *claims = _SLOT.unpack(told)
        return Slot(free_at, granted, (Claim(*claims[:2]), Claim(*claims[2:4]), Claim(*claims[4:])))

    def put_slot(self, number: int, slot: Slot) -> None:
        """Write one slot."""
        claims = (number for claim in slot.claims for number in (claim.by, claim.until))
        self._put(_DOOR_BYTES + number * _SLOT_BYTES, _SLOT.pack(slot.free_at, slot.granted, *claims))

    def _put(self, at: int, packed: bytes) -> None:
        self._cells.write(at, packed + _CHECKSUM.pack(zlib.crc32(packed)))

    def _checked(self, raw: bytes, form: struct.Struct) -> bytes | None:
        """The record, if it is one; None for one never written, or not by us."""
        told, checksum = raw[: form.size], raw[form.size :]
        if checksum == _CHECKSUM.pack(zlib.crc32(told)):
            return told
        if any(raw):
            _log.warning("request budget was damaged; that record is begun anew")
        return None


def budget_file(folder: Path, venue: str, host: str, way_out: str) -> Path:
    """The file of one budget; its name tells the venue's host and, by a checksum, the way out."""
    safe = "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in host)
    out = f"by-{zlib.crc32(way_out.encode()):08x}" if way_out else "direct"
    return folder / f"{venue}-{safe}-{out}.budget1"


def own_folder(folder: Path) -> Path:
    """The folder, made if it is not there: nobody else may write in it.

    Raises:
        OSError: it cannot be made, is no folder, or is somebody else's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not os.path.isdir(folder) or folder.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PermissionError(f"{folder} is not ours alone")
    return folder


def throw_out_forgotten(folder: Path, now_s: float) -> None:
    """Remove budgets nobody has touched for days; `now_s` is s UTC."""
    for path in folder.glob("*.budget1"):
        with suppress(FileNotFoundError):  # somebody else was quicker
            if now_s - path.stat().st_mtime > _FORGOTTEN_S:
                path.unlink()


def _boot_id() -> bytes:
    """What tells this start of the machine from the one before; all zeros where the system does not tell."""
    try:
        told = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
    except OSError:
        return bytes(16)
    return bytes.fromhex(told.strip().replace("-", "")[:32])
