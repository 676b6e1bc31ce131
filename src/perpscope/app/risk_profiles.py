"""Which limits hold: the careful ones, or the documents' own numbers with what they come to said in red.

In: `[risk]`. Out: a `Risk` in the quote's money, whether its limits bind, and warnings. Nothing is changed in silence:
profile `seed` keeps the numbers of the documents (100,000 KRW, 10x, 1,000,000 KRW, 5 %), and what cannot be opened of
them is told.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from perpscope.errors import ConfigError
from perpscope.settings import Risk
from perpscope.trading.economics import (
    SEED,
    Minimum,
    Plan,
    largest,
    left_after,
    rate_age_days,
    reckoned,
    stop_loss,
    stops_to_ruin,
)

#: BTCUSDT on Binance USD-M, read from exchangeInfo 2026-06 (METHOD 12.2); others come from the catalogue.
BTCUSDT_NOTIONAL: Final = 100.0
BTCUSDT_STEP: Final = 0.001
BTCUSDT_MMR: Final = 0.004
#: Slippage of one fill where no book or cost model is asked, fraction: what METHOD 12.2 reckons 38.9k KRW with.
SLIP: Final = 0.0002
#: Stop of the careful profile where no strategy names one: METHOD 12.2, at most 1.5 %.
CAREFUL_STOP: Final = 0.015


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The limits a run has."""

    name: str
    risk: Risk  #: money in the quote
    is_strict: bool  #: False: limits on money are told and bind nobody
    warnings: Sequence[str]  #: to be shown in red, and kept with the run


def chosen(risk: Risk, *, now_ms: int | None = None) -> Chosen:
    """The profile `[risk]` asks for.

    Args:
        risk: the settings.
        now_ms: epoch ms, for the age of the exchange rate; None = it is not judged.

    Raises:
        ConfigError: the exchange rate is of no day of the calendar.
    """
    if risk.profile != "seed":
        return Chosen(name=risk.profile, risk=risk, is_strict=True, warnings=[])
    rate = risk.krw_per_usdt
    own = msgspec.structs.replace(
        risk,
        deposit=SEED.capital / rate,
        target=SEED.notional / rate,
        leverage=SEED.leverage,
        per_trade=1.0,
        kelly=0.0,
    )
    said = [*seed_warnings(), f"won are reckoned at {rate:g} a USDT, {rate_words(risk, now_ms)}"]
    return Chosen(name="seed", risk=own, is_strict=False, warnings=said)


def seed_warnings() -> Sequence[str]:
    """What the documents' own numbers come to, one sentence each."""
    each = stop_loss(SEED, largest(SEED, is_closing_fee_kept=True))
    return [
        f"a position of {SEED.notional:,.0f} KRW cannot be opened with {SEED.capital:,.0f} KRW at {SEED.leverage:g}x:"
        f" with its fee {largest(SEED):,.2f} KRW can, with the closing fee kept"
        f" {largest(SEED, is_closing_fee_kept=True):,.2f}",
        f"a stop at {SEED.stop:.0%} loses {each:.1%} of equity with fees: after two {left_after(SEED, 2):.1%} is left,"
        f" with a fixed size nothing after {stops_to_ruin(SEED)}",
        f"each round trip costs {2 * SEED.fee * SEED.leverage:.0%} of equity in fees, won or lost",
        "limits on money are counted and told, and stop nothing: not profitable until proven",
    ]


def rate_words(risk: Risk, now_ms: int | None) -> str:
    """How old the exchange rate is.

    Raises:
        ConfigError: it is of no day of the calendar, or of one to come.
    """
    try:
        age = rate_age_days(risk.krw_as_of, now_ms or 0) if now_ms or not risk.krw_as_of else 0.0
    except ValueError as error:
        raise ConfigError("config-value", f"setting 'risk.krw_as_of': {error}", hint="e.g. 2026-06-30") from error
    if age is None:
        return "the documents' example and no quotation: set risk.krw_per_usdt and risk.krw_as_of"
    if age > risk.krw_max_age_days:
        return f"the rate of {risk.krw_as_of}, OLD by {age:.0f} days"
    return f"the rate of {risk.krw_as_of}"


def plan_of(kept: Chosen, *, fee: float, stop: float = 0.0, take: float = 0.0, slip: float | None = None) -> Plan:
    """The plan a profile comes to, money in the quote.

    Args:
        kept: the profile.
        fee: of one fill, fraction.
        stop: the strategy's, fraction; 0 = the profile's own.
        take: its take-profit, fraction; 0 = none.
        slip: of one fill, fraction; None = 2 bps, and none for the documents, which know of none.
    """
    return Plan(
        capital=kept.risk.deposit,
        leverage=kept.risk.leverage,
        fee=fee,
        stop=stop or (CAREFUL_STOP if kept.is_strict else SEED.stop),
        take=take,
        notional=kept.risk.target,
        risk=kept.risk.per_trade if kept.is_strict else 0.0,
        slip=(SLIP if kept.is_strict else 0.0) if slip is None else slip,
    )


def economics_of(plan: Plan, *, min_notional: float, step: float, price: float, mmr: float) -> dict[str, float | None]:
    """Figures of a plan on a contract, for `Run.economics` and `risk profile`; money in the quote.

    Args:
        plan: as `plan_of` made it.
        min_notional: quote units.
        step: base units.
        price: quote per base.
        mmr: maintenance margin of the lowest tier, fraction.
    """
    return reckoned(plan, Minimum(notional=min_notional, step=step, price=price), mmr)
