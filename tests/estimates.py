"""What an estimator says of the knobs, wherever it tells the gradient."""

from analog import Knobs
from analog import Spec
from learners import Estimator
from learners import ProbeResult
from learners import knob_gradients


def estimated(estimator: Estimator, spec: Spec, result: ProbeResult) -> Knobs:
    """The estimated gradient at the knobs."""
    return knob_gradients(spec, estimator.tell(spec, result), result.inputs)
