"""Reinforcement learning: chips that act, and agents that train chips."""
