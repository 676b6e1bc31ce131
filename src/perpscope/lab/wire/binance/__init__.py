"""Binance USD-M futures as it writes since the routes of 2026: stream names, payloads, REST replies."""
