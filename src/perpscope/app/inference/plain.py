"""The model that is asked where no other is named: climatology. No trained model ships: none has shown an edge.

How often a long, or a short, brought a net gain is learnt from each instrument's own past. What that gain was on
average comes from real candles, as `study train` labels them.
"""

from typing import Final

from perpscope.analytics.models.calibration import Calibration
from perpscope.app.inference.manifest import Manifest, Side
from perpscope.app.inference.opinions import SIDES
from perpscope.trading.labels import HORIZON, Costs

#: BTC, ETH and SOL of Binance 2025-05 to 08, BTC of OKX 2026-01 (283,470 minutes, costs 12 bp): how often a side
#: brought a net gain, and mean net returns where it did and where not.
_SHARE, _GAIN, _REST = 0.204, 0.00259, -0.00217

CLIMATOLOGY: Final = Manifest(
    id="climatology",
    kind="climatology",
    features=[],
    shapes=[],
    sides={name: Side(share=_SHARE, calibration=Calibration("none"), gain=_GAIN, rest=_REST) for name in SIDES},
    horizon_min=HORIZON,
    cost=Costs().whole,
    edge_min=0.0003,
    p_min=1.1,
    spread=0.0,
    is_promoted=False,
    verdict="no trained model ships: none has shown an edge on real candles (docs/inference.md)",
    trained_ms=(0, 0),
    data_hash="",
    sources=[],
)
