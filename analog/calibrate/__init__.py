"""A device's parameters from measured data: `fit(device, read("pulses.csv"))`."""

from .moments import Law as Law
from .moments import Moments as Moments
from .moments import measured as measured
from .moments import simulated as simulated
from .plans import suggested as suggested
from .report import Calibration as Calibration
from .report import Diagnostic as Diagnostic
from .report import Diagnostics as Diagnostics
from .report import Parameter as Parameter
from .scales import settings as settings
from .search import fit as fit
from .tables import BadTable as BadTable
from .tables import Plan as Plan
from .tables import Table as Table
from .tables import read as read
from .tables import table as table
from .tables import write as write
