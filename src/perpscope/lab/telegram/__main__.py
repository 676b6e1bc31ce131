"""`python -m perpscope.lab.telegram --port 8081`: a Bot API server, with one person whose words are standard input's.

Prints one line of JSON when it is ready (`api`, `token`, `chat`), then a line for each message the person sees. A line
`/status` is said to the bot; `!Mute 1h` presses that button below the newest message that has it. Ends on SIGTERM,
SIGINT, or the end of its input where that is a pipe.
"""

import argparse
import asyncio
import os
import signal
import stat
import sys
from collections.abc import Sequence
from typing import Final

import msgspec

from perpscope.lab.telegram.chats import Person
from perpscope.lab.telegram.server import BotServer

_LOOK_S: Final = 0.1


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; exits with status 2 if it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m perpscope.lab.telegram", description="A Bot API on loopback.")
    parser.add_argument("--port", type=int, default=0, help="where to listen (default: any free port)")
    parser.add_argument("--chat", type=int, default=42, help="id of the person's chat")
    return parser.parse_args(argv)


async def serve(asked: argparse.Namespace) -> None:
    """Run until told to stop.

    Raises:
        OSError: the port is taken.
    """
    server = BotServer()
    person = server.person(asked.chat)
    await server.start(port=asked.port)
    print(msgspec.json.encode({"api": server.url, "token": server.bot.token, "chat": person.id}).decode(), flush=True)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    watching = loop.create_task(_watch(person))
    heard = loop.create_task(_heard(person))
    ended = loop.create_task(stop.wait())
    try:
        await asyncio.wait([ended, heard], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (watching, heard, ended):
            task.cancel()
        await server.aclose()


async def _heard(person: Person) -> None:
    """Say each line of standard input, until its end; for ever deaf where nobody can write there."""
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or sys.stdin.isatty()):
        await asyncio.Event().wait()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        _said(person, line.decode("utf-8", "replace").strip())


def _said(person: Person, line: str) -> None:
    if line.startswith("!"):
        for message in reversed(person.inbox):
            if any(button["text"] == line[1:] for row in message.buttons for button in row):
                person.presses(message, line[1:])
                return
    elif line:
        person.says(line)


async def _watch(person: Person) -> None:
    """Print what is written to the person, and what changes of it."""
    seen: dict[int, str] = {}
    while True:
        for message in person.inbox:
            if seen.get(message.id) != message.text:
                buttons = [button["text"] for row in message.buttons for button in row]
                told = {"message": message.id, "is_edit": message.id in seen, "text": message.text, "buttons": buttons}
                print(msgspec.json.encode(told).decode(), flush=True)
                seen[message.id] = message.text
        await asyncio.sleep(_LOOK_S)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    try:
        asyncio.run(serve(arguments(sys.argv[1:] if argv is None else argv)))
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
