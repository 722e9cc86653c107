"""The error that every check of a contract raises."""


class ContractError(AssertionError):
    """A part breaks the contract of its protocol; the message says which law, and by how much."""
