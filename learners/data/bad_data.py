"""The error that names what is wrong with a user's data."""


class BadData(ValueError):
    """A data file is missing, truncated, swapped or corrupt, or data do not fit together."""


def describe_error(error: BaseException) -> str:
    """The words of an error in one line, a system's own words where it has some."""
    return " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split())
