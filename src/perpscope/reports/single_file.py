"""One HTML file that needs nothing else: no network, no server; it may run the one script and style that are in it.

Every table is in the file as plain HTML, so that all figures can be read without scripts, by a screen reader, and on
paper. Data are in it as JSON, each in an element of its own.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from importlib import resources


def single_file(title: str, body: str, data: Mapping[str, bytes], style: str, script: str) -> bytes:
    """The whole file, UTF-8; the same contents give the same bytes.

    Args:
        title: of the window.
        body: HTML.
        data: JSON by the id of its element.
        style: CSS.
        script: run last.
    """
    policy = f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; base-uri 'none'"
    elements = "".join(
        f'<script type="application/json" id="{name}">{_embedded(json)}</script>\n' for name, json in data.items()
    )
    text = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="dark light">
<title>{escape(title)}</title>
<style>{style}</style></head><body>
{body}
{elements}<script>{script}</script>
</body></html>
"""
    return text.encode()


def part(name: str) -> str:
    """A style or script that ships."""
    return resources.files("perpscope.reports").joinpath("viewer", name).read_text("utf-8")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table as HTML."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _digest(text: str) -> str:
    """What the policy calls a script or style by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _embedded(json: bytes) -> str:
    """JSON that cannot end the element it stands in."""
    return json.decode().replace("<", "\\u003c")
