"""The tear sheet of a run: one folder of JSON, CSV, a page that needs nothing else, and pictures.

The JSON validates against `tearsheet.schema.json`; the same run gives the same bytes in every file.
"""

import csv
import io
import re
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec

from perpscope.model.run import Run, RunTrade
from perpscope.reports.json_schema import schema_of

#: Of the form of the JSON; has a new number when a field changes its meaning or goes.
FORM: Final = "perpscope-run/1"


class TearSheet(msgspec.Struct, frozen=True):
    """A run, and the form it is written in."""

    form: str
    run: Run


def tearsheet(run: Run, folder: Path) -> list[Path]:
    """Write the tear sheet.

    Args:
        run: whole.
        folder: made where it is not there; files of the same run in it are written over.

    Returns:
        The files: page, JSON, trades, pictures.
    """
    from perpscope.reports.tearsheet_page import page  # noqa: PLC0415 -- beside the pictures
    from perpscope.reports.tearsheet_pictures import pictures  # noqa: PLC0415 -- matplotlib takes a second to import

    stem = re.sub(r"[^\w.-]", "_", f"{run.summary.strategy}-{run.summary.id}")
    made = {
        ".html": page(run),
        ".json": encoded(run),
        "-trades.csv": trades_csv(run.trades),
        **{f"-{name}.png": picture for name, picture in pictures(run).items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for ending, content in made.items():
        file = folder / f"{stem}{ending}"
        file.write_bytes(content)
        files.append(file)
    return files


def encoded(run: Run) -> bytes:
    """The run as JSON, one line."""
    return msgspec.json.encode(TearSheet(FORM, run)) + b"\n"


def trades_csv(trades: list[RunTrade]) -> bytes:
    """Every trade, a row each, with the names and units of `RunTrade`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = RunTrade.__struct_fields__
    writer.writerow(names)
    writer.writerows([getattr(trade, name) for name in names] for trade in trades)
    return out.getvalue().encode()


def schema() -> bytes:
    """The published JSON Schema (2020-12) of the JSON."""
    return resources.files("perpscope.reports").joinpath("tearsheet.schema.json").read_bytes()


def generated_schema() -> bytes:
    """The schema as the records give it, for `tearsheet.schema.json`; a test compares the two."""
    told = "Times are ms UTC, amounts quote units, sizes base units. null = cannot be said."
    return schema_of(TearSheet, FORM, "perpscope: what a run of a strategy came to", told)
