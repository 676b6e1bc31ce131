"""The file of API keys: read whole, written whole, by `perpscope keys` alone; the secrets are in it as hashes.

In: its path. Out: keys, or the error that says why it cannot be trusted. When a key was last used stands in a second
file beside it, which faces write, and may fail to write.
"""

import contextlib
import enum
import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec

from perpscope.app import places
from perpscope.errors import ConfigError, StoreError
from perpscope.stores.whole import replace_file

_MS_NS = 1_000_000
_DAY_MS = 86_400_000
_MOST_BYTES = 1_000_000  #: of the file: some thousand keys
#: Permissions a file that decides who may come in may not give: its group may read it, no others.
_TOO_OPEN = 0o027
_OWNERS = 0o600
#: What a file was when it was read: inode, size, time of its last change (ns). None = there was none.
State: TypeAlias = tuple[int, int, int] | None


class Scope(enum.Enum):
    """What a key is for. Every key may read; the others are not implied by one another."""

    READ = "read"
    TRADE = "trade"
    ADMIN = "admin"


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is kept: everything but its secret."""

    id: str  #: eight hexadecimal digits, the part of the key that may be told
    label: str
    scopes: tuple[Scope, ...]
    created_ms: int
    expires_ms: int | None = None  #: None = never
    revoked_ms: int | None = None
    sha256: str  #: of the secret: 256 random bits need no slow hash

    def is_valid(self, now_ms: int) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_ms is None and (self.expires_ms is None or now_ms < self.expires_ms)


class _File(msgspec.Struct):
    version: int
    keys: list[ApiKey]


def add(path: Path, *, label: str, scopes: Collection[Scope], days: float | None, now_ns: int) -> tuple[ApiKey, str]:
    """Make a key and keep its hash.

    Args:
        path: the file; made where there is none.
        label: what people call it; control characters are the caller's to refuse.
        scopes: what it is for, beside reading.
        days: until it ends; None = never.
        now_ns: wall time.

    Returns:
        The key, and its text: `pps_<id>_<secret>`, which is kept nowhere.

    Raises:
        ConfigError: the file there is cannot be trusted or read.
        StoreError: "keys-write", it cannot be written.
    """
    secret = secrets.token_hex(32)
    now_ms = now_ns // _MS_NS
    with _changing(path) as keys:
        key_id = secrets.token_hex(4)
        while key_id in keys:
            key_id = secrets.token_hex(4)
        key = keys[key_id] = ApiKey(
            id=key_id,
            label=label,
            scopes=tuple(scope for scope in Scope if scope is Scope.READ or scope in scopes),
            created_ms=now_ms,
            expires_ms=None if days is None else now_ms + round(days * _DAY_MS),
            sha256=hashlib.sha256(secret.encode()).hexdigest(),
        )
    return key, f"pps_{key_id}_{secret}"


def revoke(path: Path, key_id: str, *, now_ns: int) -> ApiKey:
    """End a key, once and for all; one that has ended already stays as it is.

    Raises:
        ConfigError: "key-unknown", there is no such key; or the file cannot be trusted or read.
        StoreError: "keys-write", it cannot be written.
    """
    with _changing(path) as keys:
        if key_id not in keys:
            raise ConfigError(
                "key-unknown", f"there is no key {key_id!r} in {path}", hint="perpscope keys list names them"
            )
        key = keys[key_id]
        if key.revoked_ms is None:
            key = keys[key_id] = msgspec.structs.replace(key, revoked_ms=now_ns // _MS_NS)
    return key


def listed(path: Path) -> list[tuple[ApiKey, int | None]]:
    """Every key, oldest first, with when it was last used (epoch ms), as far as a face wrote that down.

    Raises:
        ConfigError: the file cannot be trusted or read.
    """
    keys, _ = read(path)
    used = _read_used(_used_path(path))
    return [(key, used.get(key.id)) for key in sorted(keys.values(), key=lambda key: (key.created_ms, key.id))]


def too_open(path: Path, mode: int) -> str | None:
    """What is wrong with the permissions of a file that decides who may come in; None if nothing is.

    Others may neither read nor write it, its group may not write it.
    """
    if not mode & _TOO_OPEN:
        return None
    return f"{str(path)!r} has mode {stat.S_IMODE(mode):04o}: others may read or change it"


def state(path: Path) -> State:
    """Of a file as it is now."""
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


def read(path: Path) -> tuple[dict[str, ApiKey], State]:
    """The keys of a file, and which state of it that was.

    Raises:
        ConfigError: "keys-open" or "keys-file".
    """
    try:
        with path.open("rb") as file:
            seen = os.fstat(file.fileno())
            if (why := too_open(path, seen.st_mode)) is not None:
                raise ConfigError("keys-open", f"the file of API keys {why}", hint=f"chmod 600 {path}")
            raw = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return {}, None
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from error
    try:
        if len(raw) > _MOST_BYTES:
            raise _unreadable(path, f"it is larger than {_MOST_BYTES} bytes")
        found = msgspec.json.decode(raw, type=_File)
    except msgspec.DecodeError as error:
        raise _unreadable(path, str(error)) from error
    if found.version != 1:
        raise _unreadable(path, f"it has version {found.version}, this program knows 1")
    return {key.id: key for key in found.keys}, (seen.st_ino, seen.st_size, seen.st_mtime_ns)


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[dict[str, ApiKey]]:
    """The keys, to be changed: written when the block ends well. One process at a time."""
    try:
        places.make_own_folder(path)
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys, _ = read(path)
        yield keys
        try:
            content = msgspec.json.format(msgspec.json.encode(_File(1, list(keys.values()))), indent=1)
            replace_file(path, content, mode=_OWNERS)
        except OSError as error:
            raise _unwritable(path, error) from error
    finally:
        os.close(lock)


def keep_used(path: Path, used: Mapping[str, int]) -> None:
    """Write down when keys were used, id → epoch ms; the later time stays.

    Raises:
        OSError: that file cannot be written.
    """
    aside = _used_path(path)
    known = _read_used(aside)
    newest = known | {i: max(at, known.get(i, 0)) for i, at in used.items()}
    replace_file(aside, msgspec.json.encode(newest), mode=_OWNERS)


def _used_path(path: Path) -> Path:
    return path.with_name(path.name + ".used")


def _read_used(path: Path) -> dict[str, int]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, int])
    except (OSError, msgspec.DecodeError):
        return {}


def _unreadable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        "keys-file",
        f"the file of API keys {str(path)!r} cannot be read: {why}",
        hint="restore it from a backup, or move it aside and make new keys: perpscope keys add",
    )


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        "keys-write",
        f"the file of API keys {str(path)!r} cannot be written: {error.strerror}",
        hint="make its folder writable, or name another file with web.keys",
    )
