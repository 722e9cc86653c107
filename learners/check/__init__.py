"""Contracts for users' own learners and estimators."""
