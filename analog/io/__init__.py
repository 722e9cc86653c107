"""Chips in files, and ports that live in another process."""
