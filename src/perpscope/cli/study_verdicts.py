"""`study verdicts`: what each strategy that comes with perpscope came to on real data, as it shipped or made again."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from perpscope.cli.options import Json


def verdicts(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of the recordings: make the runs again. Default: as shipped.")
    ] = None,
    strategy: Annotated[str | None, typer.Option("--strategy", help="Of this one alone.")] = None,
    write: Annotated[Path | None, typer.Option("--write", help="File to keep what was made in.")] = None,
    json: Json = False,
) -> None:
    """What each built-in strategy came to on real data, losing or not."""
    from perpscope.app import strategies
    from perpscope.app.study import verdicts as study

    if strategy is not None:
        strategies.find(strategy)
    wanted = strategies.names() if strategy is None else [strategy]
    if data is None:
        found = {name: told for name, told in study.shipped().items() if name in wanted}
    else:
        found = study.made(data, wanted, _say)
    if write is not None:
        from perpscope.app.analyze import writing_to

        with writing_to(write):
            write.write_bytes(study.written(found))
        _say(f"wrote {write}")
    if json:
        print(msgspec.json.encode(found).decode())
        return
    print(study.page(found))


def _say(words: str) -> None:
    print(words, file=sys.stderr)
