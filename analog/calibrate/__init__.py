"""A device's parameters from measured data: `fit(device, read("pulses.csv"))`."""

from .estimate import fit
from .moments import Law
from .moments import Moments
from .moments import measured
from .moments import simulated
from .parsing import BadTable
from .parsing import read
from .parsing import table
from .parsing import write
from .plans import suggested
from .report import Calibration
from .report import Diagnostic
from .report import Diagnostics
from .report import Parameter
from .scales import settings
from .tables import Plan
from .tables import Table

__all__ = [
    "BadTable",
    "Calibration",
    "Diagnostic",
    "Diagnostics",
    "Law",
    "Moments",
    "Parameter",
    "Plan",
    "Table",
    "fit",
    "measured",
    "read",
    "settings",
    "simulated",
    "suggested",
    "table",
    "write",
]
