"""The liquidation map: where open positions would be closed by force; open interest conserved, every bin explained."""
