"""`study`: how good it is what perpscope says, measured. What a study runs is imported when it runs."""

import typer

from perpscope.cli import study_hourly, study_map, study_snapshots, study_train, study_verdicts

app = typer.Typer(help="How good it is, measured: each with what it was made of.", no_args_is_help=True)
app.command("hourly")(study_hourly.hourly)
app.command("map-score")(study_map.map_score)
app.command("train")(study_train.train)
app.command("verdicts")(study_verdicts.verdicts)
app.command("verify-snapshots")(study_snapshots.verify_snapshots)


@app.callback()
def _studies() -> None:
    """How good it is, measured: each with what it was made of."""
