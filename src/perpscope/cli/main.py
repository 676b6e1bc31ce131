"""`perpscope`: reads the command line, runs one command, turns errors into words and an exit code.

Exit codes: 0 ok · 1 failed · 2 usage or configuration · 3 data missing · 4 venue or network · 130 Ctrl-C.
`perpscope --help` is answered from `help.txt`, the page as the command tree renders it (a test compares the two):
building the tree costs ten times what an idle interpreter does.
"""

import os
import sys
from collections.abc import Sequence

from perpscope.cli.spellings import modern
from perpscope.errors import PerpscopeError

_HELP_PAGE = os.path.join(os.path.dirname(__file__), "help.txt")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line and exit."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns its exit code."""
    try:
        words, hint = modern(arguments)
        if hint is not None:
            print(f"old spelling; today: {hint}", file=sys.stderr)
        if words == ["--help"]:
            _print_help()
        else:
            _run_command(words)
    except PerpscopeError as error:
        return _tell(error)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader went away: nobody to tell it to
        return 1
    return 0


def _print_help() -> None:
    with open(_HELP_PAGE, encoding="utf-8") as page:  # pathlib alone would cost a tenth of the budget
        sys.stdout.write(page.read())


def _run_command(words: Sequence[str]) -> None:
    from perpscope.cli.commands import app

    app(words, prog_name="perpscope")


def _tell(error: PerpscopeError) -> int:
    print(f"error {error.code}: {error.message}", file=sys.stderr)
    if error.hint is not None:
        print(f"  → {error.hint}", file=sys.stderr)
    print(f"  exit {error.exit_code} · docs/errors.md#{error.code}", file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    main()
