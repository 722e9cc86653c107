"""Wrappers around a port: meters, budgets, tapes."""
