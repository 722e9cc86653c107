"""Learning through wires alone: estimators, updates, and the learners that step a port."""

from .check import check_learner as check_learner
from .estimators import Estimator as Estimator
from .estimators import NodePerturbation as NodePerturbation
from .estimators import WeightPerturbation as WeightPerturbation
from .learner import Batch as Batch
from .learner import Descent as Descent
from .learner import Learner as Learner
from .learner import Step as Step
from .learner import fit as fit
from .losses import CrossEntropy as CrossEntropy
from .losses import Loss as Loss
from .losses import SquaredError as SquaredError
from .probes import antithetic as antithetic
from .probes import gaussian as gaussian
from .probes import one_sided as one_sided
from .probes import rademacher as rademacher
from .updates import Update as Update
from .updates import adam as adam
from .updates import decayed as decayed
from .updates import momentum as momentum
from .updates import sgd as sgd
