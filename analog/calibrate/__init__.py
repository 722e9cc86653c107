"""A device's parameters from measured data: `fit(device, read("pulses.csv"))`."""

from .estimate import fit as fit
from .moments import Law as Law
from .moments import Moments as Moments
from .moments import measured as measured
from .moments import simulated as simulated
from .parsing import BadTable as BadTable
from .parsing import read as read
from .parsing import table as table
from .parsing import write as write
from .plans import suggested as suggested
from .report import Calibration as Calibration
from .report import Diagnostic as Diagnostic
from .report import Diagnostics as Diagnostics
from .report import Parameter as Parameter
from .scales import settings as settings
from .tables import Plan as Plan
from .tables import Table as Table
