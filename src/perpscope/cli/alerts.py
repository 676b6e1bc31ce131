"""`alerts`: the rules and how they stand, what was raised, what rules have been worth; mute one, or try the sinks."""

import asyncio
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, database, settings
from perpscope.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from perpscope.analytics.alerts.score import Score
    from perpscope.app.alerts.answer import AlertTold, Answer, RuleTold
    from perpscope.app.alerts.controls import LogControls
    from perpscope.app.alerts.replaying import Board
    from perpscope.app.alerts.sink import Delivery
    from perpscope.settings import Settings

_WIDTH = 80
_DAY_S = 86_400.0
_UNITS_S = {"m": 60.0, "h": 3600.0, "d": _DAY_S, "w": 7 * _DAY_S}
_NO_SINK = 4


def alerts(
    action: Annotated[
        Literal["list", "test", "log", "mute", "unmute", "score"], typer.Argument(help="What to do.")
    ] = "list",
    rule: Annotated[str | None, typer.Argument(metavar="[RULE]", help="mute, unmute: a rule, or all.")] = None,
    time: Annotated[str | None, typer.Argument(metavar="[TIME]", help="mute: so long, e.g. 1h.")] = None,
    since: Annotated[str, typer.Option("--since", help="score: that far back, e.g. 30d.")] = "7d",
    coin: Annotated[str | None, typer.Option("--coin", help="log: alerts about this coin.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="log: alerts at most.")] = 20,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Alert rules, what they raised, and what they have been worth."""
    loaded = settings(config=config, db=db)
    tree = loaded.settings
    path = database(loaded)
    out = sys.stdout
    if action == "mute":
        _mute(path, tree, rule, time, json=json, out=out)
    elif action == "unmute":
        _unmute(path, tree, rule, json=json, out=out)
    elif action == "score":
        _score(path, tree, since, json=json, out=out)
    elif action == "test":
        _test(path, tree, json=json, out=out)
    else:
        from perpscope.app.alerts.answer import Asked, read_alerts

        found = read_alerts(path, tree, Asked(coin=None if coin is None else coin.upper(), limit=limit, rule=rule))
        if json:
            _json(found if action == "list" else {"alerts": found.alerts, "deliveries": found.deliveries}, out)
        elif action == "list":
            _print_rules(found, out)
        else:
            _print_log(found.alerts, out)


def _mute(path: Path, tree: "Settings", rule: str | None, time: str | None, *, json: bool, out: TextIO) -> None:
    if rule is None or time is None:
        raise ConfigError("option-value", "mute wants a rule and a time", hint="perpscope alerts mute price-shock 1h")
    until_ms = _controls(path, tree).mute(_named(rule), _seconds(time))
    if json:
        _json({"rule": rule, "until_ms": until_ms}, out)
    else:
        from perpscope.reports.numerals import moment

        out.write(f"{rule} is muted until {moment(until_ms, '%Y-%m-%d %H:%M')} UTC; its score goes on\n")


def _unmute(path: Path, tree: "Settings", rule: str | None, *, json: bool, out: TextIO) -> None:
    if rule is None:
        raise ConfigError("option-value", "unmute wants a rule", hint="perpscope alerts list names them")
    _controls(path, tree).unmute(_named(rule))
    if json:
        _json({"rule": rule, "until_ms": None}, out)
    else:
        out.write(f"{rule} is heard again, whatever its score says\n")


def _controls(path: Path, tree: "Settings") -> "LogControls":
    from perpscope.app.alerts.controls import LogControls
    from perpscope.app.alerts.loading import rules_of

    return LogControls(path, rules_of(tree))


def _seconds(text: str) -> float:
    found = re.fullmatch(r"([1-9]\d{0,4})([mhdw])", text.strip().lower(), re.ASCII)
    if found is None:
        raise ConfigError("option-value", f"{text!r} is no length of time", hint="30m, 1h, 7d or 2w")
    return int(found[1]) * _UNITS_S[found[2]]


def _named(rule: str) -> str:
    return "*" if rule in {"all", "*"} else rule


def _score(path: Path, tree: "Settings", since: str, *, json: bool, out: TextIO) -> None:
    from perpscope.app.alerts.replaying import read_board

    found = read_board(path, tree, _seconds(since) / _DAY_S)
    if json:
        _json(found, out)
    else:
        _print_board(found, out)


def _test(path: Path, tree: "Settings", *, json: bool, out: TextIO) -> None:
    """Look at the rules as they stand, and send a message to every sink."""
    from perpscope.app.alerts.answer import read_alerts

    found = read_alerts(path, tree)
    deliveries = asyncio.run(_tried(path, tree))
    if json:
        _json({"rules": found.rules, "deliveries": deliveries}, out)
    else:
        _print_rules(found, out)
        for each in deliveries:
            out.write(f"{each.sink}: {'sent' if each.is_sent else f'not sent: {each.why}'}\n")
    if not all(each.is_sent for each in deliveries):
        raise typer.Exit(_NO_SINK)


async def _tried(path: Path, tree: "Settings") -> "list[Delivery]":
    from perpscope.analytics.alerts.saying import Saying, Trial
    from perpscope.app.face import Live
    from perpscope.feeds.clock import wall_ns
    from perpscope.notify.sinks import make_sinks

    now_ms = wall_ns() // 1_000_000
    saying = Saying(id=f"trial:{now_ms}", at_ms=now_ms, told=Trial(), data="observed", kind="trial")
    sinks = make_sinks(tree, path, Live(None), _controls(path, tree))
    found = []
    for sink in sinks:
        working = asyncio.create_task(sink.run())
        try:
            found.append(await sink.say(saying))
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await sink.aclose()
    return found


def _print_rules(found: "Answer", out: TextIO) -> None:
    table = _table("rule", "state", "verdict", "hits", "chance", "lead", "false/day")
    for rule in found.rules:
        table.add_row(rule.name, _state(rule), *_figures(rule.score))
    _page(out).print(table)
    for rule in found.rules:
        if rule.waiting_for:
            out.write(f"{rule.name}: {rule.waiting_for}\n")
        if rule.muted is not None:
            out.write(f"{rule.name} is muted: {rule.muted.why}\n")
    for note in found.notes:
        print(note, file=sys.stderr)


def _print_board(found: "Board", out: TextIO) -> None:
    table = _table("rule", "alerts", "verdict", "hits", "chance", "lead", "false/day")
    for rule in found.rules:
        verdict, *rest = _figures(rule.score)
        table.add_row(rule.rule, f"{rule.alerts:,}", f"{verdict} (muted)" if rule.is_bad else verdict, *rest)
    _page(out).print(table)
    days = (found.to_ms - found.from_ms) / 86_400_000
    out.write(f"{days:.1f} days of {', '.join(found.coins)}: {found.data} data\n")
    for note in found.notes:
        print(note, file=sys.stderr)


def _print_log(found: "Sequence[AlertTold]", out: TextIO) -> None:
    from perpscope.reports.numerals import moment

    if not found:
        out.write("no alerts yet\n")
    for each in found:
        alert = each.alert
        values = ", ".join(f"{name} {value:,.6g}" for name, value in alert.values.items())
        became = {True: "came true", False: "nothing came", None: ""}[each.hit] if each.is_judged else ""
        told = each.held_back or "told"
        line = f"{moment(alert.started_ms, '%Y-%m-%d %H:%M:%S')} {alert.coin} {alert.rule} {alert.phase.value}"
        out.write("  ".join(part for part in (line, values, f"[{told}]", became) if part) + "\n")


def _state(rule: "RuleTold") -> str:
    excited = [at.coin for at in rule.at if at.stage == rule.stage] if rule.stage in {"raised", "pending"} else []
    text = f"{rule.stage} {' '.join(excited[:3])}".strip()
    return f"{text} (muted)" if rule.muted is not None else text


def _figures(score: "Score | None") -> tuple[str, str, str, str, str]:
    """Verdict, hits, chance, lead and false alarms a day, for a table."""
    if score is None:
        return "–", "–", "–", "–", "–"
    hits = "–" if score.hit_rate is None else f"{score.hits}/{score.n} {score.hit_rate:.0%}"
    chance = "–" if score.chance is None else f"{score.chance:.0%}"
    lead = "–" if score.lead_s is None else f"{score.lead_s / 60.0:.0f} min"
    wrong = "–" if score.false_alarms_per_day is None else f"{score.false_alarms_per_day:.1f}"
    return score.verdict, hits, chance, lead, wrong


def _table(*names: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for at, name in enumerate(names):
        table.add_column(name, justify="left" if at < 3 else "right", overflow="fold")
    return table


def _page(out: TextIO) -> "Console":
    from rich.console import Console

    terminal = Console(file=out, highlight=False, markup=False)
    return terminal if terminal.is_terminal else Console(file=out, highlight=False, markup=False, width=_WIDTH)


def _json(found: object, out: TextIO) -> None:
    out.write(msgspec.json.encode(found).decode() + "\n")
