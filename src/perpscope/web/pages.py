"""Files of ours that a browser asks for: the page, the docs, their scripts and styles. Read once, served as bytes.

Nothing on them comes from another host, and no script stands inside a page, so that the strictest policy holds.
"""

import html
import re
from pathlib import Path
from typing import Final

from starlette.types import Receive, Scope, Send

from perpscope.settings import Web
from perpscope.web.answers import Answer, ready
from perpscope.web.desk import METHODS, hand_out, refuse_method
from perpscope.web.exposure import is_loopback
from perpscope.web.problem import problem

FOLDER: Final = Path(__file__).parent / "files"
#: Said by name, whatever this machine's own table says of them.
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
#: What only a document can heed; the guard says the rest of everything.
_DOCUMENT: Final = {"cross-origin-opener-policy": "same-origin"}
_CODE: Final = re.compile(r"`([^`]+)`")
_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)\s]+\)")


class Page:
    """Serves one file.

    Args:
        answer: the file.
        route: what it is counted as.
    """

    def __init__(self, answer: Answer, route: str = "page") -> None:
        self._answer = answer
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["state"]["route"] = self._route
        if scope["method"] not in METHODS:
            await refuse_method(scope["path"], ", ".join(METHODS))(scope, receive, send)
            return
        await hand_out(self._answer, scope, send)


def page(name: str) -> Answer:
    """One of our files."""
    content = (FOLDER / name).read_bytes()
    kind = Path(name).suffix
    return document(content) if kind == ".html" else ready(content, content_type=TYPES[kind])


def document(content: bytes) -> Answer:
    """A page of HTML."""
    return ready(content, content_type=TYPES[".html"], own=_DOCUMENT)


def names() -> list[str]:
    """Files that stand below `/static/`."""
    return sorted(found.name for found in FOLDER.iterdir() if found.suffix in {".css", ".js", ".svg"})


def errors_page() -> Answer:
    """`docs/errors.md`, which the package carries, as a page with an anchor for each code."""
    try:
        text = (FOLDER / "errors.md").read_text("utf-8")
    except FileNotFoundError:  # a link into a checkout's docs, built or copied without them
        text = "# Errors\n\nThis installation came without their texts: see `docs/errors.md` of perpscope."
    frame = (FOLDER / "errors.html").read_text("utf-8")
    return document(frame.replace("<!--errors-->", rendered(text)).encode())


def rendered(markdown: str) -> str:
    """HTML of the Markdown that `docs/errors.md` is written in: headings, paragraphs, indented blocks, `code`."""
    parts = []
    for block in re.split(r"\n{2,}", markdown.strip()):
        lines = block.split("\n")
        if found := re.match(r"(#{1,3}) (.+)", lines[0]):
            level, title = len(found[1]), found[2]
            anchor = f' id="{html.escape(title)}"' if level == 3 else ""
            parts.append(f"<h{level}{anchor}>{_inline(title)}</h{level}>")
            lines = lines[1:]
        if lines and all(line.startswith("    ") for line in lines):
            parts.append(f"<pre>{html.escape(chr(10).join(line[4:] for line in lines))}</pre>")
        elif lines:
            parts.append(f"<p>{_inline(' '.join(lines))}</p>")
    return "\n".join(parts)


def _inline(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", _LINK.sub(r"\1", html.escape(text)))


class Documents:
    """Stands before a page of the API's documentation: where it is not wanted there is none.

    Args:
        page: is served.
        web: says whether it is wanted; "auto" = on connections to an address that this machine alone can reach.
    """

    def __init__(self, page: Page, web: Web) -> None:
        self._page = page
        self._wanted = web.docs
        self._is_local = is_loopback(web.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._wanted == "on" or (self._wanted == "auto" and self._is_local and _is_to_loopback(scope)):
            await self._page(scope, receive, send)
            return
        scope["state"]["route"] = "docs"
        path = scope["path"]
        hint = "set web.docs = 'on' to serve it here, too"
        await problem(404, "docs-off", f"{path} is off at this address", instance=path, hint=hint)(scope, receive, send)


def _is_to_loopback(scope: Scope) -> bool:
    server = scope.get("server")
    return server is not None and is_loopback(server[0])
