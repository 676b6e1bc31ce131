"""A CONNECT proxy that knows the venues' names and nobody else: it leads to the lab what was meant for them.

For clients whose addresses are written into their source. In: `CONNECT host:port`. Out: a tunnel to the port that
stands for it, or a refusal; no other host is ever asked, not even for its address.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping

from perpscope.lab.pipes import LOOPBACK, Listener, head, joined

_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ConnectProxy:
    """An HTTP proxy on loopback.

    Args:
        ports: `host:port` as clients ask for it → the port on loopback that stands for it.
        retired: what a venue answered to once.
    """

    def __init__(self, ports: Mapping[str, int], retired: Collection[str] = ()) -> None:
        self._ports = dict(ports)
        self._retired = frozenset(retired)
        self.asked: Counter[str] = Counter()  #: tunnels made, by `host:port`
        self.refused: Counter[str] = Counter()  #: what else was wanted, by the request's first line
        self._listener = Listener(self._serve)

    async def start(self, port: int = 0) -> str:
        """Listen; returns the URL for `https_proxy`.

        Raises:
            OSError: the port is taken.
        """
        return f"http://{LOOPBACK}:{await self._listener.start(LOOPBACK, port)}"

    async def aclose(self) -> None:
        """Stop listening and cut every tunnel."""
        await self._listener.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await head(reader)).partition(b"\r\n")[0].decode("ascii", "replace")
        method, _, rest = line.partition(" ")
        target = rest.partition(" ")[0].lower()
        port = self._ports.get(target)
        if method != "CONNECT":
            await self._refuse(writer, line, "405 Method Not Allowed", "only CONNECT is understood here")
        elif port is None and target in self._retired:
            await self._refuse(writer, line, "502 Bad Gateway", f"{target} is retired: --legacy-routes brings it back")
        elif port is None:
            await self._refuse(writer, line, "403 Forbidden", f"{target} is no venue of this lab")
        else:
            self.asked[target] += 1
            writer.write(_ESTABLISHED)
            await joined((reader, writer), port)

    async def _refuse(self, writer: asyncio.StreamWriter, line: str, status: str, why: str) -> None:
        self.refused[line] += 1
        said = f"{why}\n".encode()
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(said)}\r\n"
            "Connection: close\r\n\r\n".encode()
            + said
        )
        await writer.drain()
