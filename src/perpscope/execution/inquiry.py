"""What an account is asked, and the answers read: holdings, both order books, fills, fundings, money, terms.

In: questions of whoever compares. Out: reports. Each raises where there is no answer or one that cannot be read;
nothing is guessed. The one thing that is done here is to take back an order of ours that nobody follows any more.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from perpscope.errors import ConfigError, VenueError, VenueUnreachable
from perpscope.model.exchange import (
    Ending,
    FundingReport,
    OrderReport,
    PositionReport,
    Reply,
    Restrictions,
    Terms,
    TradeReport,
)
from perpscope.model.instrument import Instrument
from perpscope.ports.broker import Broker, Caller, HttpAnswer

#: Pages of fills read at one time; more would be no account of ours.
_MOST_PAGES = 100
#: Endings of a question that leave it open: it is asked again, with the next comparison.
_UNSAID = (Ending.FAILED, Ending.LIMITED, Ending.UNKNOWN)


class Inquiry:
    """Asks about one instrument of one account.

    Args:
        broker: the venue's dialect.
        instrument: what is traded.
        caller: makes the calls.
    """

    def __init__(self, broker: Broker, instrument: Instrument, caller: Caller) -> None:
        self._broker = broker
        self._instrument = instrument
        self._caller = caller

    async def holdings(self) -> PositionReport:
        """What is held.

        Raises:
            VenueError: no answer, or none that can be read; likewise of all that follow.
        """
        return self._broker.held(await self._caller(self._broker.holdings(self._instrument)), self._instrument)

    async def orders(self) -> list[OrderReport]:
        """All orders that stand, conditional ones too."""
        found: list[OrderReport] = []
        for request in self._broker.working(self._instrument):
            found += self._broker.orders(await self._caller(request))
        return found

    async def trades(self, from_id: int | None, ts_from: int) -> list[TradeReport]:
        """Our fills from an id on, or from a time (ns UTC) where there is none; all of them, by their ids."""
        found: dict[int, TradeReport] = {}
        request = self._broker.trades(self._instrument, from_id=from_id, ts_from=None if from_id else ts_from)
        for _ in range(_MOST_PAGES):
            page = [one for one in self._broker.traded(await self._caller(request)) if one.trade_id not in found]
            if not page:
                break
            found |= {one.trade_id: one for one in page}
            request = self._broker.trades(self._instrument, from_id=max(found) + 1)
            if len(page) < _FULL_PAGE:
                break
        return [found[number] for number in sorted(found)]

    async def fundings(self, ts_from: int) -> list[FundingReport]:
        """Fundings of the instrument since a time (ns UTC), oldest first."""
        answer = await self._caller(self._broker.fundings(self._instrument, ts_from))
        return [one for one in self._broker.funded(answer) if one.symbol == self._instrument.symbol]

    async def fee_coins(self) -> list[str]:
        """Coins besides the quote that the account has and fees can be paid in."""
        balances = self._broker.balances(await self._caller(self._broker.money()))
        return [one.asset for one in balances if one.asset == self._broker.fee_coin and one.wallet > 0]

    async def wallet(self) -> Decimal:
        """Money of the quote asset, with the margin of positions."""
        balances = self._broker.balances(await self._caller(self._broker.money()))
        return next((one.wallet for one in balances if one.asset == self._instrument.quote), Decimal(0))

    async def whose(self, venue_id: str) -> OrderReport | None:
        """The plain order of that name of the venue's; None if it has none."""
        reply = self._broker.reply(await self._caller(self._broker.ask_venue(venue_id, self._instrument)))
        if reply.ending in _UNSAID:
            why = f"whose order {venue_id} is was not said: {reply.why}"
            raise VenueUnreachable(why, venue=self._instrument.venue)
        return reply.report

    async def withdraw(self, order: OrderReport) -> Reply:
        """Take back an order of ours that no journal knows."""
        request = self._broker.cancel(order.id, self._instrument, is_conditional=order.is_conditional)
        return self._broker.reply(await self._caller(request))

    # before the first order ----------------------------------------------------------------------------------------

    async def check_key(self) -> Restrictions:
        """See that the key may trade, and that whoever steals it cannot take the money away; what it may do.

        Raises:
            ConfigError: it may not trade, or may do more.
        """
        may = self._broker.permitted(await self._caller(self._broker.permissions()))
        refuse_key(may, self._instrument.venue)
        return may

    async def settle_terms(self, leverage: int) -> Terms:
        """Trade the instrument one-way, with isolated margin and so much leverage.

        Raises:
            VenueError: "terms-unsettled": the venue does not agree, mostly since a position or an order stands.
        """
        found = await self._terms()
        wanted = msgspec.structs.replace(found, leverage=leverage, is_isolated=True, is_hedged=False)
        if found == wanted:
            return found
        words: list[str] = []
        for request in self._broker.settle_terms(self._instrument, wanted, found):
            reply = self._broker.reply(await self._caller(request))
            if not reply.is_done:
                words.append(f"{request.path}: {reply.why or reply.ending.value}")
        found = await self._terms()
        if found != wanted:
            raise VenueError(
                "terms-unsettled",
                f"{self._instrument.symbol} is to be traded one-way, isolated, at leverage {leverage}; the account has"
                f" {_in_words(found)} ({'; '.join(words) or 'no refusal'})",
                venue=self._instrument.venue,
                hint="close what is held of it and its orders, or change it on the exchange's page",
            )
        return found

    async def _terms(self) -> Terms:
        answers: Sequence[HttpAnswer] = [
            await self._caller(request) for request in self._broker.terms(self._instrument)
        ]
        return self._broker.agreed(answers, self._instrument)


#: Fills on a page that is not the last.
_FULL_PAGE = 1000


def _in_words(terms: Terms) -> str:
    mode = "long and short apart" if terms.is_hedged else "one-way"
    return f"{mode}, {'isolated' if terms.is_isolated else 'cross'}, leverage {terms.leverage}"


def refuse_key(may: Restrictions, venue: str) -> None:
    """Whoever steals a key shall not be able to take the money with it (RELIABILITY S14).

    Raises:
        ConfigError: it may not trade, or may do more.
    """
    if may.can_withdraw:
        raise ConfigError(
            "key-moves-money",
            f"this key of {venue} may move money off the account",
            hint="make one that may trade futures and nothing else, bound to this machine's address",
        )
    if not may.can_trade:
        raise ConfigError(
            "key-cannot-trade",
            f"this key of {venue} may not trade futures",
            hint="allow futures for it on the exchange's page of API keys",
        )
