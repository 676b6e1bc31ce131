"""What the process that started the lab may say to it over standard input: a word a line, and that it is gone.

In: a pipe. Out: a call for each word that is known. The end of the pipe is the end of the parent, however it ended.
"""

import asyncio
import os
import stat
from collections.abc import Callable, Mapping


async def heed(stdin: int, words: Mapping[bytes, Callable[[], None]]) -> None:
    """Do as told until the other end of a pipe closes; for ever deaf where stdin is no pipe.

    Args:
        stdin: its file descriptor.
        words: what to do at which; others are passed over.
    """
    mode = os.fstat(stdin).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        await asyncio.Event().wait()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(stdin, "rb", closefd=False)
    )
    said = b""
    while part := await reader.read(4096):
        *lines, said = (said + part).split(b"\n")
        for word in lines:
            if (do := words.get(word.strip())) is not None:
                do()
        said = said[-64:]
