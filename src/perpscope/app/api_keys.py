"""Who may ask the service: the keys of a file, read anew within a quarter of a second of a change.

In: the file's path; the text of a key. Out: a `Grant`: what its bearer may do, and whether it still holds.
"""

import contextlib
import hashlib
import hmac
import re
import time
from collections.abc import Callable
from pathlib import Path

from perpscope.app import key_file, places
from perpscope.app.key_file import ApiKey, Scope, State
from perpscope.errors import ConfigError
from perpscope.feeds.clock import wall_ns
from perpscope.settings import Web

__all__ = ["LOCAL", "ApiKeys", "Grant", "Scope", "of", "path_of"]

_MS_NS = 1_000_000
#: Real seconds a look at the file stays good: a revoked key is refused, and its push closed, within a second.
_LOOK_EVERY_S = 0.25
#: Real seconds between two writes of when keys were used.
_USED_EVERY_S = 60.0
_TEXT = re.compile(rb"pps_([0-9a-f]{8})_([0-9a-f]{64})")
_NOBODY = hashlib.sha256(b"").hexdigest()


class Grant:
    """What one caller may do. Of a key it ends with the key; without one it is this machine's own."""

    __slots__ = ("_key", "_keys")

    def __init__(self, keys: "ApiKeys | None" = None, key: ApiKey | None = None) -> None:
        self._keys = keys
        self._key = key

    @property
    def id(self) -> str | None:
        """The key's id; None where none was needed."""
        return None if self._key is None else self._key.id

    @property
    def expires_ms(self) -> int | None:
        """When it ends, epoch ms; None = not by itself."""
        return None if self._key is None else self._key.expires_ms

    def allows(self, scope: Scope) -> bool:
        """Whether this may be done with it. Without a key one may read, and nothing else."""
        return scope is Scope.READ or (self._key is not None and scope in self._key.scopes)

    def is_valid(self) -> bool:
        """Whether it still holds: cheap, to be asked before each message of a push connection."""
        if self._keys is None or self._key is None:
            return True
        return self._keys.holds(self._key)


#: Of a caller on this machine that needs no key.
LOCAL = Grant()


class ApiKeys:
    """The keys of one file. A missing file is no keys; everything is looked up in memory.

    Args:
        path: the file.
        monotonic: real seconds; a test's own.
        now_ns: wall time; a test's own.
    """

    def __init__(
        self, path: Path, *, monotonic: Callable[[], float] = time.monotonic, now_ns: Callable[[], int] = wall_ns
    ) -> None:
        self.path = path
        self._monotonic = monotonic
        self._now_ns = now_ns
        self._keys: dict[str, ApiKey] = {}
        self._seen: State = None
        self._look_at = -1.0
        self._used: dict[str, int] = {}
        self._keep_used_at = monotonic() + _USED_EVERY_S

    @property
    def has_any(self) -> bool:
        """Whether any key could be used now."""
        self._look()
        now_ms = self._now_ms()
        return any(key.is_valid(now_ms) for key in self._keys.values())

    def find(self, text: bytes) -> Grant | None:
        """The grant of a key as it was sent; None if there is no such key, or it has ended."""
        match = _TEXT.fullmatch(text)
        key_id = match[1].decode() if match else ""
        self._look()
        key = self._keys.get(key_id)
        told = hashlib.sha256(match[2] if match else text).hexdigest()
        is_right = hmac.compare_digest(told, _NOBODY if key is None else key.sha256)
        if key is None or not is_right or not key.is_valid(now_ms := self._now_ms()):
            return None
        self._used[key.id] = now_ms
        return Grant(self, key)

    def holds(self, key: ApiKey) -> bool:
        """Whether a key found before is still the same and good."""
        self._look()
        now = self._keys.get(key.id)
        return now is not None and now.sha256 == key.sha256 and now.is_valid(self._now_ms())

    def check(self) -> None:
        """Read the file now, and say what is wrong with it.

        Raises:
            ConfigError: "keys-open", others may write it or all may read it; "keys-file", it cannot be read.
        """
        self._keys, self._seen = key_file.read(self.path)

    @property
    def is_use_due(self) -> bool:
        """Whether `keep_used` would have something to write."""
        return bool(self._used) and self._monotonic() >= self._keep_used_at

    def keep_used(self) -> None:
        """Write down when keys were used; silently not, where that file cannot be written. Not for the event loop."""
        self._keep_used_at = self._monotonic() + _USED_EVERY_S
        used, self._used = self._used, {}
        if not used:
            return
        with contextlib.suppress(OSError):
            key_file.keep_used(self.path, used)

    def _look(self) -> None:
        now = self._monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY_S
        if key_file.state(self.path) != self._seen:
            try:
                self._keys, self._seen = key_file.read(self.path)
            except ConfigError:
                self._keys, self._seen = {}, None  # what cannot be trusted opens nothing

    def _now_ms(self) -> int:
        return self._now_ns() // _MS_NS


def path_of(web: Web) -> Path:
    """The file of keys these settings mean."""
    return Path(web.keys).expanduser() if web.keys else places.data_folder() / "api-keys.json"


def of(web: Web) -> ApiKeys:
    """The keys these settings mean."""
    return ApiKeys(path_of(web))
