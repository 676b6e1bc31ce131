"""unicorn-binance-websocket-api 2.16.1: a stream of dicts, pointed here by its own `websocket_base_uri`."""

# mypy: disable-error-code="import-not-found,import-untyped"

import logging
import sys
import threading

from rounds import Counter
from unicorn_binance_websocket_api import BinanceWebSocketApiManager

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    manager = BinanceWebSocketApiManager(
        exchange="binance.com-futures",
        websocket_base_uri=f"ws://127.0.0.1:{sys.argv[2]}/",
        output_default="dict",
        disable_colorama=True,
        warn_on_update=False,
    )
    manager.create_stream(["aggTrade"], ["btcusdt"], process_stream_data=Counter().time)
    threading.Event().wait()
