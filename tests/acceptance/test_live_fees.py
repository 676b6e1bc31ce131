"""Fees that an account pays in BNB: a cost of the run, though the wallet of the quote does not show it.

Equity is held against the exchange's own wallets: what the quote's has, less what the other coin has cost.
"""

from decimal import Decimal
from pathlib import Path

import pytest

from perpscope.app.trade.divergence import of_journal
from perpscope.app.trade.outcome import outcome
from perpscope.app.trade.recordings import of_run
from perpscope.lab.accounts.desk import LAB_BALANCE
from perpscope.model.run import RunKind
from tests.acceptance import whole_runs
from tests.acceptance.trader import LOT, Live, lab_of, seeded, trader
from tests.acceptance.trading_run import Eventually, settled
from tests.acceptance.whole_runs import account_of, run_of, tree_of, until, without_stop

BOTH = ("BTCUSDT", "BNBUSDT")
ZERO = Decimal(0)


async def there_and_back(live: Live, eventually: Eventually) -> None:
    """A long of one lot with its stop, and out of it at the market."""
    live.buy()
    live.stop()
    await eventually(lambda: live.is_protected and live.exchange.position == LOT)
    live.leave()
    await eventually(lambda: live.held == ZERO == live.desk.position)
    await settled(live, eventually)


def costs(live: Live) -> Decimal:
    """What the run has cost, as it was told: quote units."""
    return sum((one.fee for one in live.desk.fills), ZERO)


@seeded
async def test_fees_in_bnb_are_costs_at_its_price_and_the_wallet_is_told_apart(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """Each fill says what was paid, at which price and when; a restart goes on from the same equity."""
    async with lab_of(seed, symbols=BOTH) as lab:
        account = account_of(lab)
        lab.accounts.pay_fees_in(account, "BNB", "5")
        async with trader(lab, tmp_path) as live:
            assert live.resumed is not None
            assert live.resumed.wallet == LAB_BALANCE
            await there_and_back(live, eventually)
            fills = [one.trade for one in live.journal.fills("r1")]
            for mine, theirs in zip(fills, account.fills, strict=True):
                assert mine.other is not None
                assert mine.other.rate is not None
                assert (mine.other.asset, mine.other.amount) == ("BNB", theirs.fee)
                assert mine.fee == round(theirs.fee * mine.other.rate, 8) > 0
                assert abs(mine.other.rate / lab.accounts.prices.mark("BNBUSDT") - 1) < Decimal("0.01")
                assert mine.other.ts_rate >= 0
            realised = sum((one.realised for one in account.fills), ZERO)
            assert account.wallet == LAB_BALANCE + realised, "no fee was taken from the quote"
            assert account.coins["BNB"] == 5 - sum((one.fee for one in account.fills), ZERO)
            assert live.exchange.fees_elsewhere == costs(live) == sum((one.fee for one in fills), ZERO)
            assert live.exchange.notices == []
            assert lab.ledger.requests["/fapi/v1/premiumIndex"] == 1, "asked for before the first fill, and kept"
        async with trader(lab, tmp_path) as again:
            assert again.resumed is not None
            assert again.resumed.wallet == account.wallet - sum((one.fee for one in fills), ZERO)
            assert again.exchange.fees_elsewhere == sum((one.fee for one in fills), ZERO)


@seeded
async def test_a_fee_of_unknown_worth_is_said_and_not_guessed(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """A coin that has no contract here: fills, journal and notices say that the fee is not in the figures."""
    async with lab_of(seed) as lab:
        account = account_of(lab)
        lab.accounts.pay_fees_in(account, "XYZ", "100", price=Decimal(10))
        async with trader(lab, tmp_path) as live:
            await there_and_back(live, eventually)
            assert [(one.fee, one.is_fee_known) for one in live.desk.fills] == [(ZERO, False)] * len(account.fills)
            (notice,) = live.exchange.notices
            paid = (100 - account.coins["XYZ"]).normalize()
            assert notice.startswith(f"fees of {len(account.fills)} fills are in no figure: {paid:f} XYZ, ")
            assert (live.exchange.fees_elsewhere, costs(live)) == (ZERO, ZERO)
        async with trader(lab, tmp_path) as again:
            assert again.exchange.notices == [notice], "a restart does not forget it"
            assert again.resumed is not None
            assert again.resumed.wallet == account.wallet


@seeded
async def test_a_coin_that_runs_out_is_followed_by_the_quote(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """The exchange takes what is there: from the fill on that it does not reach for, fees are in the quote."""
    async with lab_of(seed, symbols=BOTH) as lab:
        account = account_of(lab)
        async with trader(lab, tmp_path) as live:
            mark = lab.accounts.prices.mark
            enough = LOT * mark("BTCUSDT") * Decimal("0.0005") / mark("BNBUSDT")
            lab.accounts.pay_fees_in(account, "BNB", enough)
            await there_and_back(live, eventually)
            coins = {one.trade.other.asset if one.trade.other else "USDT" for one in live.journal.fills("r1")}
            assert coins == {"BNB", "USDT"}
            realised = sum((one.realised for one in account.fills), ZERO)
            assert account.wallet - live.exchange.fees_elsewhere == LAB_BALANCE + realised - costs(live)


@pytest.mark.parametrize(("coin", "price"), [("BNB", None), ("XYZ", Decimal(10))])
async def test_a_whole_run_says_what_its_wallet_does_not(tmp_path: Path, coin: str, price: Decimal | None) -> None:
    """Equity, page, figures and divergence: fees in BNB are in them, and what is not known is named."""
    async with whole_runs.lab_of(rate=40.0, symbols=("BTC", "BNB")) as lab:
        account = account_of(lab)
        lab.accounts.pay_fees_in(account, coin, "100", price)
        run = run_of(RunKind.LIVE, without_stop(tree_of(lab)), tmp_path, held=1)
        answer = await until(run, lambda one: one.status is not None and one.status.fills >= 2)
    status = run.status
    assert status is not None
    money, is_known = status.money, price is None
    assert (money.fees > 0, money.fees_unknown) == (is_known, 0 if is_known else status.fills)
    assert money.fees == money.fees_elsewhere
    assert answer.equity == pytest.approx(float(account.wallet) - money.fees_elsewhere, abs=1e-6)
    assert bool([one for one in answer.warnings if one.startswith("fees of ")]) is not is_known
    assert answer.wallet_off == pytest.approx(0.0, abs=1e-6)
    assert answer.decision_hash == answer.replay_hash
    found = outcome(of_run(Path(answer.recording).parent, answer.run)).run
    assert found.performance["fees_unknown"] == money.fees_unknown
    notes = of_journal(tmp_path / "market.db", answer.run).notes
    assert bool([one for one in notes if "not known in the quote" in one]) is not is_known
