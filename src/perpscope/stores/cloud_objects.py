"""Shared objects in Google Cloud Storage or in S3, through obstore: nobody but this file imports it.

Who may come in is known from the environment alone, as obstore reads it (`GOOGLE_…`, `AWS_…`, the machine's own
account); nothing of that is kept or told here. A head is compared by its generation or ETag.
"""

import contextlib
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError, PreconditionError
from obstore.store import from_url

from perpscope.stores.shared_objects import Held, unreachable

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import ClientConfig, RetryConfig

#: Chosen by hand: a call may take so long, and is tried again for so long, before the place counts as away.
_CLIENT: Final["ClientConfig"] = {"timeout": timedelta(seconds=10), "connect_timeout": timedelta(seconds=5)}
_RETRY: Final["RetryConfig"] = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}
_LONGEST: Final = 200  #: characters of a reason
_NAMED: Final = 48  #: characters of an object's name: no more of a hash than tells it from others


class CloudObjects:
    """Objects under a prefix of a bucket.

    Args:
        url: gs://bucket/prefix or s3://bucket/prefix.

    Raises:
        StoreError: "share-unreachable": the environment's settings cannot be used.
    """

    def __init__(self, url: str) -> None:
        self.where = url
        with self._asking(""):
            self._store = from_url(
                url, client_options={**_CLIENT, "allow_http": _allows_http(url)}, retry_config=_RETRY
            )

    def get(self, name: str) -> bytes | None:
        """The content of an object; None if there is none."""
        with self._asking(name):
            try:
                return bytes(obstore.get(self._store, name).bytes())
            except (FileNotFoundError, NotFoundError):
                return None

    def put(self, name: str, content: bytes) -> None:
        """Make an object, or make it anew."""
        with self._asking(name):
            obstore.put(self._store, name, content, mode="overwrite", use_multipart=False)

    def head(self, name: str) -> Held | None:
        """A head and its version; None if there is none."""
        with self._asking(name):
            try:
                found = obstore.get(self._store, name)
            except (FileNotFoundError, NotFoundError):
                return None
            return Held(bytes(found.bytes()), (found.meta["e_tag"], found.meta["version"]))

    def swap(self, name: str, content: bytes, before: Held | None) -> Held | None:
        """Replace a head if it is still what was read; None: somebody else was first."""
        with self._asking(name):
            try:
                if before is None:
                    told = obstore.put(self._store, name, content, mode="create", use_multipart=False)
                else:
                    told = obstore.put(self._store, name, content, mode=_still(before), use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return None
            return Held(content, (told["e_tag"], told["version"]))

    def names(self, folder: str, after: str = "") -> list[str]:
        """Last parts of the names of a folder's objects, in order, from one that sorts after `after`."""
        offset = f"{folder}/{after}" if after else None
        with self._asking(folder):
            pages = obstore.list(self._store, folder, offset=offset)
            found = [one["path"].removeprefix(f"{folder}/") for page in pages for one in page]
            return sorted(name for name in found if "/" not in name and name > after)

    def folders(self, folder: str) -> list[str]:
        """Last parts of the names of the folders in a folder, in order."""
        with self._asking(folder):
            found = obstore.list_with_delimiter(self._store, folder or None)["common_prefixes"]
            return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def delete(self, name: str) -> None:
        """Take an object away; harmless if there is none."""
        with self._asking(name), contextlib.suppress(FileNotFoundError, NotFoundError):
            obstore.delete(self._store, name)

    @contextlib.contextmanager
    def _asking(self, name: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            why = str(error).partition("\n")[0].rpartition(" - ")[2][:_LONGEST].strip()
            raise unreachable(f"{self.where}/{name[:_NAMED]}: {why}") from None


def _still(held: Held) -> "UpdateVersion":
    """The condition that a head is what was read; a store that knows no versions compares the ETag alone."""
    found: UpdateVersion = {}
    e_tag, version = held.version
    if e_tag is not None:
        found["e_tag"] = e_tag
    if version is not None:
        found["version"] = version
    return found


def _allows_http(url: str) -> bool:
    """Whether the environment lets an emulator do without TLS: beside options obstore forgets it."""
    name = "GOOGLE_ALLOW_HTTP" if url.startswith("gs://") else "AWS_ALLOW_HTTP"
    return os.environ.get(name, "").lower() in {"1", "true", "yes", "on"}
