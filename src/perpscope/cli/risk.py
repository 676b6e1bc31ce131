"""`risk`: what a decision may cost, what a run says about going on, and how far decisions go at run time."""

import getpass
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, database, settings
from perpscope.errors import ConfigError

if TYPE_CHECKING:
    from perpscope.app.risk_report import Report
    from perpscope.app.trading_mode import State
    from perpscope.settings import Settings
    from perpscope.trading.capital import Review
    from perpscope.trading.honesty import Condition

_WIDTH = 34
_YES = "say --yes, or answer yes where somebody is there to be asked"


def risk(
    action: Annotated[
        Literal["profile", "report", "review", "mode", "halt", "reset"], typer.Argument(help="What to do.")
    ] = "profile",
    what: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN|MODE]...", help="report, review: runs. mode: observe or paper.")
    ] = None,
    price: Annotated[float, typer.Option("--price", min=1e-12, help="profile: price, quote per base.")] = 100_000.0,
    step: Annotated[float, typer.Option("--step", min=1e-12, help="profile: step of sizes, base.")] = 0.001,
    least: Annotated[float, typer.Option("--min-notional", min=0.0, help="profile: smallest order, quote.")] = 100.0,
    fee: Annotated[float, typer.Option("--fee", min=0.0, max=0.1, help="profile: of one fill, fraction.")] = 0.0005,
    page: Annotated[Path | None, typer.Option("--report", help="review: HTML file to write, too.")] = None,
    why: Annotated[str, typer.Option("--why", help="halt: the reason, kept with it.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="mode, reset: do not ask.")] = False,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Limits, the honesty gate, the capital review, mode and kill switch."""
    loaded = settings(config=config, db=db)
    if action == "profile":
        _profile(loaded.settings, (price, step, least, fee), json=json)
        return
    path = database(loaded)
    if action in {"report", "review"}:
        _tell(action, path, what or [], page, json=json)
        return
    state = _act(action, path, loaded.settings, what[0] if what else None, why, is_sure=yes)
    if json:
        _json({"mode": state.mode.word, "halted": state.halted, "acts": state.acts})
    else:
        _print_state(state)


def _act(action: str, path: Path, tree: "Settings", word: str | None, why: str, *, is_sure: bool) -> "State":
    from perpscope.app import trading_mode
    from perpscope.feeds.clock import wall_ns

    who, now_ms = f"{getpass.getuser()} by command", wall_ns() // 1_000_000
    if action == "halt":
        return trading_mode.halted(path, who=who, why=why, now_ms=now_ms, trade=tree.trade)
    if action == "reset":
        _sure("lift the kill switch?", is_sure=is_sure)
        return trading_mode.reset(path, who=who, now_ms=now_ms, trade=tree.trade)
    state = trading_mode.read(path, tree.trade)
    if word is None:
        return state
    if word not in {"observe", "paper"}:
        hint = "perpscope trade arm" if word == "live" else "observe or paper"
        raise ConfigError("option-value", f"there is no mode {word!r} to set here", hint=hint)
    wanted = trading_mode.Mode[word.upper()]
    if wanted <= state.mode:
        return trading_mode.lowered(path, wanted, who=who, now_ms=now_ms, trade=tree.trade)
    _sure(f"let the mode rise from {state.mode.word} to {word}?", is_sure=is_sure)
    return trading_mode.raised(path, wanted, who=who, now_ms=now_ms, trade=tree.trade)


def _tell(action: str, path: Path, ids: list[str], page: Path | None, *, json: bool) -> None:
    from perpscope.app import risk_report

    if action == "review":
        found = risk_report.review(path, ids)
        if page is not None:
            risk_report.write_review(found, page)
        _json(found) if json else _print_review(found)
        return
    told = risk_report.reports(path, ids)
    if json:
        _json({"reports": told})
        return
    for one in told:
        _print_report(one)


def _profile(tree: "Settings", contract: tuple[float, float, float, float], *, json: bool) -> None:
    from perpscope.app import risk_profiles
    from perpscope.feeds.clock import wall_ns
    from perpscope.trading.economics import BARRIERS, break_even

    price, step, least, fee = contract
    now_ms = wall_ns() // 1_000_000
    kept = risk_profiles.chosen(tree.risk, now_ms=now_ms)
    plan = risk_profiles.plan_of(kept, fee=fee)
    figures = risk_profiles.economics_of(
        plan, min_notional=least, step=step, price=price, mmr=risk_profiles.BTCUSDT_MMR
    )
    rate = f"{tree.risk.krw_per_usdt:g} KRW a USDT, {risk_profiles.rate_words(tree.risk, now_ms)}"
    table = [(take, stop, break_even(take, stop, 12.0)) for take, stop in BARRIERS]
    if json:
        rows = [{"take_bps": t, "stop_bps": s, **msgspec.to_builtins(found)} for t, s, found in table]
        whole = {"profile": kept.name, "is_strict": kept.is_strict, "warnings": kept.warnings, "rate": rate}
        _json({**whole, "limits": kept.risk, "economics": figures, "break_even": rows})
        return
    _red(kept.warnings)
    print(f"profile {kept.name}{'' if kept.is_strict else ': limits on money are told, not enforced'}")
    _print_figures(figures)
    print(f"  {'won':<{_WIDTH}} {rate}")
    print("break-even at 12 bps of cost (take/stop in bps: needed, of a price that goes nowhere)")
    for take, stop, found in table:
        print(f"  {f'{take:g}/{stop:g}':<{_WIDTH}} {found.needed:.3f} {found.driftless:.3f}")


def _print_report(told: "Report") -> None:
    print(f"run {told.run}: {told.strategy} on {told.instrument}, {told.kind}, {told.verdict}")
    print(f"  {told.why}")
    _red(told.warnings)
    print("economics")
    _print_figures(told.economics)
    print("honesty")
    _print_figures(msgspec.to_builtins(told.honesty))
    _print_gate(told.gate)


def _print_review(found: "Review") -> None:
    print(f"{found.days:,.1f} days, {found.trades:,} trades, {', '.join(found.kinds)}: {', '.join(found.runs)}")
    print("goals of the documents, measured (95 %)")
    for goal in found.goals:
        span = f"[{_figure(goal.low)}, {_figure(goal.high)}]"
        print(f"  {goal.promise} {goal.name:<12} {_figure(goal.figure):>10} {span:<24} {goal.wanted}: {goal.state}")
    _print_gate(found.gate)
    print(f"capital: {found.way}, × {found.factor:g}")
    for why in found.evidence:
        print(f"  {why}")


def _print_gate(conditions: "Sequence[Condition]") -> None:
    print(f"gate: {sum(one.is_met for one in conditions)} of {len(conditions)} conditions are met")
    for one in conditions:
        print(f"  {'✓' if one.is_met else '✕'} {one.name:<18} {_figure(one.figure):>12}   {one.wanted}")


def _print_state(state: "State") -> None:
    print(f"mode {state.mode.word}{f', HALTED: {state.halted}' if state.halted else ''}")
    since = state.since
    if since is not None:
        from datetime import UTC, datetime

        at = datetime.fromtimestamp(since.at_ms / 1000, UTC)
        print(f"  {since.what} by {since.who} at {at:%Y-%m-%d %H:%M:%S} UTC{f': {since.why}' if since.why else ''}")


def _print_figures(figures: Mapping[str, object]) -> None:
    for name, value in figures.items():
        shown = _figure(value) if value is None or isinstance(value, int | float) else str(value)
        print(f"  {name.replace('_', ' '):<{_WIDTH}} {shown}")


def _figure(value: float | None) -> str:
    return "not known" if value is None else str(value).lower() if isinstance(value, bool) else f"{value:,.6g}"


def _red(words: Sequence[str]) -> None:
    for one in words:
        typer.secho(f"! {one}", fg=typer.colors.RED, err=True)


def _sure(question: str, *, is_sure: bool) -> None:
    """Ask on stderr; anything but yes ends the command.

    Raises:
        ConfigError: there is nobody to ask, or the answer was no.
    """
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise ConfigError("confirmation", f"{question} Nobody is there to answer", hint=_YES)
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise ConfigError("confirmation", "not confirmed, nothing was changed", hint=_YES)


def _json(record: object) -> None:
    print(msgspec.json.encode(record).decode())
