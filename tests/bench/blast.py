"""A bare WebSocket server that sends a canned mix as fast as it is read; a process of its own.

`python blast.py MESSAGES` prints its port, sends each client MESSAGES frames after its first message, then closes.
"""

import asyncio
import sys

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server
from wire_frames import mix

#: Frames of one turn; the transport's own buffer is the pace.
_TURN = 200


class _Blaster(WSListener):
    def __init__(self, messages: int) -> None:
        self._messages = messages
        self._writable = asyncio.Event()
        self._writable.set()
        self._task: asyncio.Task[None] | None = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT and self._task is None:
            transport.send(WSMsgType.TEXT, b'{"result":null,"id":1}')
            self._task = asyncio.get_running_loop().create_task(self._send(transport))

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def _send(self, transport: WSTransport) -> None:
        tape = mix()
        for start in range(0, self._messages, _TURN):
            await self._writable.wait()
            for number in range(start, start + _TURN):
                transport.send(WSMsgType.TEXT, tape[number % len(tape)])
            await asyncio.sleep(0)
        transport.send_close()


async def main(messages: int) -> None:
    """Serve until standard input ends."""
    server = await ws_create_server(lambda _: _Blaster(messages), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
