"""`perpscope`: reads the command line, runs one command, turns errors into words and an exit code.

Exit codes: 0 ok · 1 failed · 2 usage or configuration · 3 data missing · 4 venue or network · 130 Ctrl-C.
Commands import what they run when they run, so that `--help` stays quick.
"""

import os
import sys
from collections.abc import Sequence

import typer

from perpscope import __version__
from perpscope.cli import collecting, configuring, reading
from perpscope.cli.spellings import modern
from perpscope.errors import PerpscopeError

app = typer.Typer(
    name="perpscope",
    help="Where leverage in crypto perpetual futures will break, and what was not seen.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(collecting.demo)
app.command("live")(collecting.live)
app.command("collect")(collecting.collect)
app.command("replay")(reading.replay)
app.command("status")(reading.status)
app.command("config")(configuring.config)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        typer.echo(f"perpscope {__version__}")
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line and exit."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns its exit code."""
    try:
        words, hint = modern(arguments)
        if hint is not None:
            print(f"old spelling; today: {hint}", file=sys.stderr)
        app(words, prog_name="perpscope")
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


def _tell(error: PerpscopeError) -> int:
    print(f"error {error.code}: {error.message}", file=sys.stderr)
    if error.hint is not None:
        print(f"  → {error.hint}", file=sys.stderr)
    print(f"  exit {error.exit_code} · docs/errors.md#{error.code}", file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    main()
