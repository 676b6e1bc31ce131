"""What the source itself must not hold, whoever writes the next line of it. S16, S22–S25, S34."""

import ast
import gzip
import re
import tracemalloc
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from perpscope.errors import DataError
from perpscope.feeds.csv_table import CsvTable
from perpscope.web.app import found

pytestmark = pytest.mark.unmeasured

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "perpscope"
MODULES = sorted(SOURCE.rglob("*.py"))
#: Turn bytes into objects of any kind, or text into code.
DANGEROUS = frozenset("pickle cPickle _pickle dill cloudpickle marshal shelve joblib yaml jsonpickle".split())
CODE_OF_TEXT = frozenset("eval exec compile __import__".split())
#: Names what numba raises for a torn cache of its own; passes a past between two processes of one lab.
PICKLED = frozenset({"src/perpscope/app/liqmap/arithmetic.py", "src/perpscope/lab/agents/past.py"})
#: Ways out: what the face is made of may listen, and ask its bus, and nobody else.
CLIENTS = frozenset("aiohttp httpx requests urllib3 http picows websockets ftplib smtplib perpscope.feeds".split())
#: Of feeds, these neither connect nor read a URL.
HARMLESS_FEEDS = frozenset({"perpscope.feeds.clock", "perpscope.feeds.redaction"})
#: The venues' names for taking money off an account.
AWAY = re.compile(
    r"withdraw|transfer_?(?:funds|money|asset|out|in)\b|/transfer|usdSend|usdClassTransfer|spotSend|vaultTransfer|"
    r"asset/v\d/private/transfer|inter-transfer|sub_?account.*transfer",
    re.IGNORECASE,
)


def named(path: Path) -> str:
    """A path as a reader of the repository writes it."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    """A module, parsed once."""
    return ast.parse(path.read_text("utf-8"))


@cache
def telling() -> tuple[tuple[Path, ast.AST], ...]:
    """The imports, calls and keywords of the source, gathered once."""
    kinds = (ast.Import, ast.ImportFrom, ast.Call, ast.keyword)
    return tuple((path, node) for path in MODULES for node in ast.walk(tree_of(path)) if isinstance(node, kinds))


def nodes(*folders: str) -> Iterator[tuple[Path, ast.AST]]:
    """Those of the whole source, or of some rooms of it."""
    for path, node in telling():
        if not folders or path.relative_to(SOURCE).as_posix().startswith(folders):
            yield path, node


def imported(node: ast.AST) -> list[str]:
    """The modules a node imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def called(node: ast.AST) -> str:
    """The last name of what a node calls; "" if it calls nothing."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def texts(path: Path) -> Iterator[str]:
    """The strings of a module that are not documentation."""
    tree = tree_of(path)
    spoken = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in spoken:
            yield node.value


def test_s16_no_code_moves_money_away() -> None:
    """S16: nothing that asks a venue to withdraw or transfer exists; the lab, which plays the venue, asks nobody."""
    paths = [path for path in MODULES if "lab" not in path.relative_to(SOURCE).parts]
    assert not [f"{named(path)}: {text}" for path in paths for text in texts(path) if AWAY.search(text)]


def test_s22_the_face_holds_no_sql() -> None:
    """S22: it asks the stores' readers, whose statements take values as parameters."""
    told = [
        f"{named(path)}:{getattr(node, 'lineno', 0)}"
        for path, node in nodes("web/", "app/answers/")
        if called(node) in {"execute", "executemany", "executescript", "sql"}
        or any(name.split(".")[0] in {"sqlite3", "duckdb"} for name in imported(node))
    ]
    assert not told


def test_s22_statements_are_written_in_the_stores_alone() -> None:
    """S22: and ruff's rule on statements made of text (S608) is on there."""
    rooms = {
        path.relative_to(SOURCE).parts[0]
        for path, node in nodes()
        if called(node) in {"execute", "executemany", "executescript"}
    }
    assert rooms <= {"stores", "bus"}  # a bus speaks to Redis in batches, which are executed too
    assert re.search(r'select = \[[^]]*"S"', (ROOT / "pyproject.toml").read_text("utf-8"))


def test_s23_no_question_takes_a_path() -> None:
    """S23: of a file, a folder or a URL: the API knows names alone."""
    suspect = re.compile(r"path|file|folder|dir|url|uri|host|db|database|store|table|column|sql|format_string")
    for endpoint in found():
        for field in endpoint.query.__struct_fields__:
            assert not suspect.fullmatch(field), f"{endpoint.name} asks for {field}"


def test_s24_the_face_asks_no_other_host() -> None:
    """S24: nothing a caller writes can become an address that is asked; the bus is of the settings."""
    told = [
        f"{named(path)}: {name}"
        for path, node in nodes("web/", "app/answers/")
        for name in imported(node)
        if any(name == client or name.startswith(f"{client}.") for client in CLIENTS)
        and not any(name == kept or name.startswith(f"{kept}.") for kept in HARMLESS_FEEDS)
        and name != "perpscope.feeds"
        and not (name == "http" or name.startswith("http.HTTPStatus"))
    ]
    told += [f"{named(path)}: urllib" for path, node in nodes("web/") if "urllib.request" in imported(node)]
    assert not told


def test_s25_nothing_read_becomes_code() -> None:
    """S25: no pickle, YAML or eval, on anything; arrays are loaded without objects."""
    told = []
    for path, node in nodes():
        names = {name.split(".")[0] for name in imported(node)} & DANGEROUS
        if named(path) in PICKLED:
            names = set()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CODE_OF_TEXT:
            names.add(node.func.id)
        if isinstance(node, ast.keyword) and node.arg in {"allow_pickle", "shell"}:
            value = node.value.value if isinstance(node.value, ast.Constant) else True
            names |= {node.arg} if value else set()
        told += [f"{named(path)}:{getattr(node, 'lineno', 0)} {name}" for name in names]
    assert not told


def test_s25_modules_are_loaded_by_names_of_ours() -> None:
    """S25: what is imported by a name that was put together lies below perpscope, or is written out."""
    for path, node in nodes():
        if called(node) == "import_module" and isinstance(node, ast.Call) and "lab" not in path.parts:
            (name, *_) = node.args
            written = ast.unparse(name)
            is_ours = isinstance(name, ast.JoinedStr) and written.startswith(("f'perpscope.", "f'{routes.__name__}."))
            assert is_ours or isinstance(name, ast.Constant) or named(path).endswith("app/archiving.py"), written


def test_s26_what_is_packed_is_unpacked_piece_by_piece() -> None:
    """S26: no archive is unpacked, and no compressed file is read whole: a bomb costs a buffer, not the memory."""
    told = [
        f"{named(path)}:{getattr(node, 'lineno', 0)}"
        for path, node in nodes()
        if any(name.split(".")[0] in {"zipfile", "tarfile", "bz2", "lzma"} for name in imported(node))
        or called(node) in {"unpack_archive", "extractall"}
    ]
    assert not told


def test_s26_a_bomb_costs_a_buffer(tmp_path: Path) -> None:
    """S26: 64 MB of one line, packed into 64 kB, are refused after the first of them."""
    bomb = tmp_path / "liquidations.csv.gz"
    bomb.write_bytes(gzip.compress(b"a" * 64_000_000))
    was_tracing = tracemalloc.is_tracing()
    tracemalloc.start()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    try:
        with pytest.raises(DataError, match="longer than"):
            CsvTable(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        if not was_tracing:
            tracemalloc.stop()
    assert peak - before < 16_000_000


def test_s34_tests_name_no_exchange_to_connect_to() -> None:
    """S34: a real host stands in tests as data alone: none is passed to what opens a connection, but by our proxy."""
    hosts = re.compile(r"://[\w.-]*(?:binance|bybit|okx|bitget|hyperliquid)[\w-]*\.", re.IGNORECASE)
    openers = re.compile(r"connect|get|post|request|urlopen|ws_connect|open_connection|fetch|run|Popen")
    told = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if not hosts.search(path.read_text("utf-8")):
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and openers.fullmatch(called(node)):
                words = [word.value for word in ast.walk(node) if isinstance(word, ast.Constant)]
                is_proxied = any(keyword.arg == "proxy" for keyword in node.keywords)
                if not is_proxied and any(isinstance(word, str) and hosts.search(word) for word in words):
                    told.append(f"{named(path)}:{node.lineno}")
    assert not told
