"""The face that `demo` and `live` start beside their heart: a process of its own, kept running, ended with it.

Its listening socket is opened here, before anything else, and handed on: the address stays while the face is started
anew, and whoever asks meanwhile is answered when it is back. It holds the other end of our stdin pipe: when the heart
is killed it knows, and ends itself a minute later.
"""

import asyncio
import contextlib
import os
import random
import socket
import sys
import webbrowser
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

import structlog
from msgspec.structs import replace

from perpscope.cli.addresses import chosen, is_desktop, listen, url
from perpscope.config import Loaded
from perpscope.settings import Log

#: Real seconds that a face goes on after its heart was killed.
LINGER_S: Final = 60.0
_AGAIN_FIRST_S, _AGAIN_MOST_S = 0.5, 30.0
#: A face that ran so long begins anew with the shortest wait.
_STEADY_S: Final = 30.0
_SERVE: Final = (sys.executable, "-m", "perpscope", "serve")
_END_WITHIN_S: Final = 4.0
_LAST_WORDS_S: Final = 0.5
_log = structlog.get_logger()


class Face:
    """A face beside the heart; an async context manager around the heart's life.

    Args:
        words: how it is called, after the program.
        listening: the socket it serves at.
        at: its URL.
        environment: of its process.
        announce: told what a person should know, one line at a time.
        is_opened: whether a browser is opened once it is ready.
        program: what is run.
    """

    def __init__(
        self,
        words: Sequence[str],
        listening: socket.socket,
        at: str,
        *,
        environment: Mapping[str, str],
        announce: Callable[[str], None],
        is_opened: bool,
        program: Sequence[str] = _SERVE,
    ) -> None:
        self.at = at
        self._words = (*program, *words)
        self._listening = listening
        self._environment = environment
        self._announce = announce
        self._is_opened = is_opened
        self._is_told = False
        self._process: Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Face":
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.end()

    @property
    def pid(self) -> int | None:
        """Of the face that runs; None while there is none."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def end(self) -> None:
        """End it within seconds, and let its address go."""
        self.end_soon()
        assert self._ending is not None  # noqa: S101  # just begun
        await asyncio.shield(self._ending)

    def end_soon(self) -> None:
        """Begin to end it."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())

    async def _end(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        self._listening.close()

    async def _keep(self) -> None:
        """Start it, and again whenever it has ended."""
        loop = asyncio.get_running_loop()
        wait_s = _AGAIN_FIRST_S
        while True:
            began = loop.time()
            why = await self._live_once()
            wait_s = _AGAIN_FIRST_S if loop.time() - began > _STEADY_S else wait_s
            self._announce(f"the face {why}; it is started again in {wait_s:.2g} s, the heart goes on")
            await asyncio.sleep(wait_s * random.uniform(0.8, 1.0))  # noqa: S311 -- jitter
            wait_s = min(_AGAIN_MOST_S, wait_s * 2)

    async def _live_once(self) -> str:
        """From its start to its end; says how it ended."""
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                *self._words,
                *("--fd", str(self._listening.fileno()), "--linger", f"{LINGER_S:g}"),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                pass_fds=(self._listening.fileno(),),
                env=dict(self._environment),
                start_new_session=True,  # Ctrl-C is for the heart, which ends it
            )
        except OSError as error:
            return f"could not be started: {error.strerror}"
        heard = [asyncio.create_task(self._hear(process)), asyncio.create_task(self._pass_on(process))]
        try:
            code = await process.wait()
        finally:
            await _ended(process)
            await asyncio.wait(heard, timeout=_LAST_WORDS_S)
            for task in heard:
                task.cancel()
            await asyncio.gather(*heard, return_exceptions=True)
        return f"ended (signal {-code})" if code < 0 else f"ended (exit {code})"

    async def _hear(self, process: Process) -> None:
        """Its first line says that it serves."""
        assert process.stdout is not None  # noqa: S101  # PIPE was asked for
        if not await process.stdout.readline():
            return
        self._announce(f"the face is {'back ' if self._is_told else ''}at {self.at}")
        if not self._is_told and self._is_opened:
            await asyncio.to_thread(webbrowser.open, self.at)
        self._is_told = True
        while await process.stdout.readline():
            pass

    async def _pass_on(self, process: Process) -> None:
        """What it says of trouble, among our own lines."""
        assert process.stderr is not None  # noqa: S101  # PIPE was asked for
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # longer than a stream's buffer: what is left of it follows
                continue
            if not line:
                return
            self._announce(f"face: {line.decode(errors='replace').rstrip()}")


def face_of(
    loaded: Loaded,
    *,
    host: str | None,
    port: int | None,
    is_opened: bool | None,
    config: Path | None,
    announce: Callable[[str], None],
    environment: Mapping[str, str] | None = None,
) -> Callable[[Path], Face]:
    """Open its address now; what is returned makes the face, once the heart's database is known.

    Args:
        loaded: what the configuration says.
        host: to listen at; None = as configured.
        port: so.
        is_opened: whether a browser is opened; None = on a desktop.
        config: file of the configuration.
        announce: told what a person should know.
        environment: variables of its process beside ours.

    Raises:
        ConfigError: the address is taken, or must not be listened at.
    """
    from perpscope.web.exposure import refuse_exposed

    address = chosen(loaded, host, port)
    refuse_exposed(replace(loaded.settings.web, host=address.host))
    listening = listen(address)
    at = url(listening, loaded.settings.web)

    def made(database: Path) -> Face:
        words = ["--db", str(database), "--host", address.host]
        if config is not None:
            words += ["--config", str(config)]
        return Face(
            words,
            listening,
            at,
            environment={**_environment(loaded.settings.log), **(environment or {})},
            announce=announce,
            is_opened=is_desktop() if is_opened is None else is_opened,
        )

    return made


def _environment(log: Log) -> dict[str, str]:
    """Of a face: the account's keys stay with the trader; a log file is for one process, its own is beside ours."""
    from perpscope.app.trade.credentials import without_keys

    found = without_keys(os.environ)
    if log.file:
        path = Path(log.file).expanduser()
        found["PERPSCOPE_LOG__FILE"] = str(path.with_name(f"{path.stem}-face{path.suffix}"))
    return found


async def _ended(process: Process) -> None:
    """See to it that it is gone."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _END_WITHIN_S)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
