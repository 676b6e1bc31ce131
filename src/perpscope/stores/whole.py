"""Files that appear whole: written beside their place under a name of their own, then put there in one step.

In: a path and its content. Out: a file that is the old one or the new one, to whoever looks, whatever happens; any
number of threads and processes may write the same one, and the last stays.
"""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

_ANYBODYS: Final = 0o666  # as far as the umask lets them, as of any file
_SHOWN: Final = 50  # letters of a name, of up to four bytes each: file systems take 255


def replace_file(path: Path, content: bytes, *, mode: int = _ANYBODYS, is_synced: bool = True) -> None:
    """Put a file in its place whole, or not at all.

    Args:
        path: its folder is there.
        content: all of it.
        mode: permissions, less the umask.
        is_synced: have its bytes on the disk before its name is; without, it may be empty after the power failed.

    Raises:
        OSError: it cannot be written; the old one is as it was.
    """
    fresh = write_beside(path, content, mode=mode, is_synced=is_synced)
    try:
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def write_beside(path: Path, content: bytes, *, mode: int = _ANYBODYS, is_synced: bool = True) -> Path:
    """A file with that content beside a place, under a hidden name that nobody else has; see `replace_file`.

    Raises:
        OSError: it cannot be written; nothing is left.
    """
    fresh = path.with_name(f".{path.name[:_SHOWN]}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
            file.write(content)
            if is_synced:
                file.flush()
                os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
    return fresh
