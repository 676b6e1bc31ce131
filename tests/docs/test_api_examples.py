"""Every example of the API's documentation is run against a face: curl, Python and JavaScript.

The blocks of one language in one document are one program, in the order they stand there.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.facing import face

from perpscope.app import demo_past
from perpscope.feeds.clock import wall_ns
from perpscope.lab.agents.past import Making
from perpscope.lab.dialect import VENUES

DOCS = Path(__file__).resolve().parents[2] / "docs"
DOCUMENTED = "127.0.0.1:8000"
_HOUR_NS = 3_600_000_000_000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Host and port of a face on a store with some demo hours in it."""
    database = tmp_path_factory.mktemp("examples") / "demo.db"
    making = Making(7, ("BTC",), wall_ns() // _HOUR_NS * _HOUR_NS, 0.5, processes=1)
    try:
        demo_past.fill(database, making.result(), VENUES, lambda: False)
    finally:
        making.close()
    with face(database, NUMBA_DISABLE_JIT="1") as url:
        yield url.removeprefix("http://")


def program(document: str, language: str, address: str) -> str:
    """All blocks of a language in a document, asking this face."""
    text = (DOCS / document).read_text("utf-8")
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return "\n".join(blocks).replace(DOCUMENTED, address)


def test_curl_examples_run(address: str, tmp_path: Path) -> None:
    """Each curl line a reader may copy is answered, and the repeated question with 304. Keeps S0-47."""
    script = program("api.md", "sh", address)
    assert script.count("curl") > 10
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr or done.stdout[-2000:]
    assert "304" in done.stdout


def test_python_examples_run(address: str, tmp_path: Path) -> None:
    """The Python of the document runs with nothing but the standard library, and prints what it says."""
    script = tmp_path / "example.py"
    script.write_text(program("api.md", "python", address), "utf-8")
    done = subprocess.run([sys.executable, "-I", str(script)], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_javascript_examples_run(address: str, tmp_path: Path) -> None:
    """The JavaScript of the document runs as it stands, in a browser's own words."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine: the JavaScript examples were not run")
    script = tmp_path / "example.mjs"
    script.write_text(program("api.md", "js", address), "utf-8")
    done = subprocess.run([node, str(script)], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_endpoint_stands_in_the_document() -> None:
    """No path is served that `docs/api.md` or `docs/streams.md` does not name."""
    from perpscope.web.app import found  # noqa: PLC0415 -- the other tests need no app

    text = "".join((DOCS / name).read_text("utf-8") for name in ("api.md", "streams.md") if (DOCS / name).exists())
    missing = [endpoint.paths[0] for endpoint in found() if endpoint.paths[0] not in text]
    assert not missing
