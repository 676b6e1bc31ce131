"""Every example of docs/streams.md is run against a face: curl, Python and JavaScript."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.acceptance.facing import face
from tests.docs.test_api_examples import program

from perpscope.stores.sqlite import open_writer
from perpscope.stores.status import StoreKind
from perpscope.web.push import rows

DOCUMENT = "streams.md"
_WITH_SOCKETS = 22  #: the first Node whose WebSocket needs no flag


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Host and port of a face on an empty store, without a heart."""
    database = tmp_path_factory.mktemp("streams") / "market.db"
    open_writer(str(database), kind=StoreKind.OBSERVED).close()
    with face(database) as url:
        yield url.removeprefix("http://")


def ran(words: list[str], folder: Path) -> str:
    """What a program printed; it must end well."""
    done = subprocess.run(words, check=False, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


def test_the_curl_example_streams(address: str, tmp_path: Path) -> None:
    """The event stream opens and stays open."""
    assert ran(["bash", "-euo", "pipefail", "-c", program(DOCUMENT, "sh", address)], tmp_path).startswith("retry")


def test_the_python_examples_run(address: str, tmp_path: Path) -> None:
    """The event stream by the standard library, the channels by `websockets`."""
    script = tmp_path / "example.py"
    script.write_text(program(DOCUMENT, "python", address), "utf-8")
    told = ran([sys.executable, str(script)], tmp_path)
    assert "nothing more for now" in told
    assert "status" in told
    assert "market:BTC" in told


def test_the_javascript_example_runs(address: str, tmp_path: Path) -> None:
    """The channels, in a browser's own words."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine: the JavaScript example was not run")
    major = int(ran([node, "--version"], tmp_path).lstrip("v").split(".")[0])
    script = tmp_path / "example.mjs"
    script.write_text(program(DOCUMENT, "js", address), "utf-8")
    flags = [] if major >= _WITH_SOCKETS else ["--experimental-websocket"]
    assert "market:BTC" in ran([node, *flags, str(script)], tmp_path)


def test_every_field_of_a_message_is_one_the_document_shows() -> None:
    """The messages of the document are read as messages, and its instrument has fields of the real one."""
    text = "[" + re.sub(r"}\s+{\"(op|ch)", r'},{"\1', program(DOCUMENT, "json", "")) + "]"
    shown = msgspec.json.decode(text)
    assert {"op", "channels"} == set(shown[0]) == set(shown[1])
    assert set(shown[2]) == {"ch", "seq", "ts_ms", "type", "data"}
    (row,) = shown[2]["data"].values()
    assert set(row) <= set(rows.MarketRow.__struct_fields__)
