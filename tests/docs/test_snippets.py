"""Every example in the documentation is run, as far as it can be without a market.

Commands are parsed, settings loaded, SQL is asked of a real database, Python is executed.
"""

import contextlib
import doctest
import re
import shlex
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import typer.main

from perpscope.app import venues
from perpscope.cli.commands import app
from perpscope.cli.spellings import modern
from perpscope.config import load
from perpscope.stores.sqlite import open_writer
from perpscope.stores.status import StoreKind

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
PARTS = {"lint", "types", "imports", "frontend", "unit", "acceptance", "docs", "bench", "soak"}
#: A command in the middle of a sentence.
SPAN = re.compile(r"`(\./(?:run|check)(?: [^`<…]+)?)`")


class Snippet(NamedTuple):
    """A fenced block of a document."""

    document: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.name}:{self.text.splitlines()[0][:40]}"


def snippets(language: str) -> list[Snippet]:
    """All blocks of a language."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        blocks = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        found += [Snippet(document, language, block) for block in blocks]
    return found


def commands() -> Iterator[tuple[str, str]]:
    """Every `./run …` and `./check …` of the documents, in blocks and in sentences."""
    for snippet in snippets("sh"):
        for line in snippet.text.splitlines():
            words = shlex.split(line, comments=True)
            while words and "=" in words[0]:
                words.pop(0)
            if words and words[0] in {"./run", "./check"}:
                yield snippet.document.name, shlex.join(words)
    for document in DOCUMENTS:
        for span in SPAN.findall(document.read_text("utf-8")):
            yield document.name, span


@pytest.mark.parametrize(("document", "command"), sorted(set(commands())))
def test_commands_in_the_documents_exist(document: str, command: str) -> None:
    """Each command line a reader may copy is one the program takes."""
    program, *words = shlex.split(command)
    if program == "./check":
        assert set(words) <= PARTS, document
        return
    words, _ = modern(words)
    group = typer.main.get_group(app)
    if not words or words[0].startswith("--"):
        assert set(words) <= {"--help", "--version"}, document
        return
    if words[0] in {"demo", "live"} and len(words) == 1:
        words.append("--headless")
    group.commands[words[0]].make_context(words[0], words[1:])


@pytest.mark.parametrize("snippet", snippets("toml"), ids=str)
def test_settings_in_the_documents_are_accepted(snippet: Snippet, tmp_path: Path) -> None:
    """Each TOML example loads without an unknown key or a wrong value."""
    file = tmp_path / "perpscope.toml"
    file.write_text(snippet.text, "utf-8")
    loaded = load(file=file, environment={})
    venues.refuse_unknown(loaded.settings.venue)
    assert loaded.origins


@pytest.mark.parametrize("snippet", snippets("sql"), ids=str)
def test_queries_in_the_documents_run(snippet: Snippet, tmp_path: Path) -> None:
    """Each SQL example runs against the tables as they are."""
    path = tmp_path / "market.db"
    open_writer(str(path), kind=StoreKind.OBSERVED).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute(snippet.text).fetchall() == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_in_the_documents_runs(document: Path) -> None:
    """Each `>>>` example gives what the document says."""
    failures, _ = doctest.testfile(str(document), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert failures == 0


def test_the_readme_has_its_picture_and_two_commands() -> None:
    """A stranger finds one picture, `./run demo`, `./check`, the warning and the licence."""
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(re.findall(r"!\[", text)) == 1
    for needed in ("./run demo", "./check", "## Investment warning", "DEMO DATA", "(LICENSE)"):
        assert needed in text
