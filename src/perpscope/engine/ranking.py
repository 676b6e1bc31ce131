"""The LPI of every liquidation: each is ranked among those of its own venue, symbol and kind of price.

In: liquidations in the order of receipt, with their reference prices; at the start those an earlier run has stored.
Out: the same events with their LPI. One that comes twice is ranked once and gets the same answer again.
"""

from collections import OrderedDict
from collections.abc import Iterable
from math import isfinite
from typing import Final, TypeAlias

import msgspec

from perpscope.analytics.lpi import LpiSample, displacement
from perpscope.engine.repeats import Identity, identity_of
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Liquidation, Lpi

#: Instrument, and whether the price is an average fill (else the bankruptcy price): the two are never compared.
_Group: TypeAlias = tuple[InstrumentId, bool]

#: Liquidations known again when they come twice. Chosen by hand: some hours of a busy day.
_REMEMBERED: Final = 20_000
#: Groups ranked at most; all venues together list fewer instruments.
_GROUPS: Final = 16_384
#: A liquidation stamped so long after its receipt has a wrong time: it would push everybody else out of the window.
_AHEAD_NS: Final = 3_600_000_000_000


class LpiRanking:
    """Samples of every group.

    Args:
        history: liquidations of the last seven days with their LPI, oldest first.
    """

    def __init__(self, history: Iterable[Liquidation] = ()) -> None:
        self._samples: dict[_Group, LpiSample] = {}
        self._recent: OrderedDict[Identity, Lpi] = OrderedDict()
        for event in history:
            self._recall(event)

    def ranked(self, event: Liquidation, reference: float | None) -> Liquidation:
        """The event with its LPI; as it is if the venue told no price.

        Args:
            event: as decoded.
            reference: mark price 60 s before it, quote per base, > 0; None if not known.
        """
        if not isfinite(event.price):
            return event
        key = identity_of(event)
        lpi = self._recent.get(key)
        if lpi is None:
            lpi = self._judged(event, reference)
            self._remember(key, lpi)
        return msgspec.structs.replace(event, lpi=lpi)

    def _judged(self, event: Liquidation, reference: float | None) -> Lpi:
        if reference is None:
            return Lpi(None, None, None, 0)
        displaced = displacement(event.position_side, event.price, reference)
        bps = 10_000.0 * displaced
        sample = self._sample_of(event)
        if sample is None or event.ts_event > event.ts_recv + _AHEAD_NS:
            return Lpi(None, bps, reference, 0)
        sample.update(event.ts_event, event.notional_usd, displaced)
        return Lpi(sample.value, bps, reference, sample.count)

    def _recall(self, event: Liquidation) -> None:
        lpi = event.lpi
        sample = self._sample_of(event)
        if lpi is None or lpi.reference_price is None or sample is None:
            return
        displaced = displacement(event.position_side, event.price, lpi.reference_price)
        sample.add(event.ts_event, event.notional_usd, displaced)
        self._remember(identity_of(event), lpi)

    def _sample_of(self, event: Liquidation) -> LpiSample | None:
        group = (event.instrument, event.fill_price is not None)
        sample = self._samples.get(group)
        if sample is None and len(self._samples) < _GROUPS:
            sample = self._samples[group] = LpiSample()
        return sample

    def _remember(self, key: Identity, lpi: Lpi) -> None:
        self._recent[key] = lpi
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
