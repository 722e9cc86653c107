"""Parts that do what no part should do when it is made."""

import sys

from analog import Ideal


class Exits(Ideal):
    def __init__(self) -> None:
        sys.exit(0)


class Raises(Ideal):
    def __init__(self) -> None:
        raise ZeroDivisionError("[/red]")
