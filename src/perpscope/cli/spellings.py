"""The liquidation-collector document's old flags, read as today's commands.

`--collect --symbols BTCUSDT ETHUSDT --db-path F` becomes `collect --symbols BTCUSDT,ETHUSDT --db F`, with a hint. A
list after `--symbols` is taken in the new spelling too.
"""

from collections.abc import Sequence

#: Old flags that say what `--analyze` is to make: words today.
_ANALYSES = frozenset({"--all", "--trends", "--intensity", "--distribution", "--report"})


def modern(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """Today's spelling of a command line, and a hint if it had to be changed.

    >>> modern(["--mock", "--test-duration", "30"])
    (['collect', '--mock', '--duration', '30'], 'perpscope collect --mock --duration 30')
    >>> modern(["--analyze", "--trends", "--hours", "24"])[0]
    ['analyze', 'trends', '--hours', '24']
    >>> modern(["status", "--json"])
    (['status', '--json'], None)
    """
    words = _joined_lists(list(arguments))
    renamed = [{"--db-path": "--db", "--test-duration": "--duration"}.get(word, word) for word in words]
    command = _old_command(renamed)
    if command is not None:
        made = [word.removeprefix("--") for word in renamed if word in _ANALYSES]
        dropped = {"--collect", "--status", "--analyze", *_ANALYSES}
        renamed = [command, *made, *(word for word in renamed if word not in dropped)]
    hint = f"perpscope {' '.join(renamed)}" if renamed != words else None
    return renamed, hint


def _old_command(words: Sequence[str]) -> str | None:
    if not words or not words[0].startswith("--"):
        return None
    if {"--analyze", "--hours", *_ANALYSES} & set(words):
        return "analyze"
    if "--status" in words:
        return "status"
    if "--collect" in words or "--mock" in words:
        return "collect"
    return None


def _joined_lists(words: list[str]) -> list[str]:
    """`--symbols A B C` → `--symbols A,B,C`."""
    joined: list[str] = []
    at = 0
    while at < len(words):
        joined.append(words[at])
        at += 1
        if joined[-1] == "--symbols":
            names = []
            while at < len(words) and not words[at].startswith("-"):
                names.append(words[at].strip(","))
                at += 1
            if names:
                joined.append(",".join(names))
    return joined
