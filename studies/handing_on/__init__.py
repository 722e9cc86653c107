"""Handing on: what a dying chip knows passes to the next generation by what it answers."""
