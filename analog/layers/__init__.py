"""Digital wiring around banks of crossbar tiles."""
