"""The classes that chips predict, and how often they are right."""

from torch import Tensor

from analog import Port
from learners.evaluation import predict


def predicted_classes(port: Port, x: Tensor) -> Tensor:
    """The class that a chip names for each example x (examples, features): (*fleet, examples), int64."""
    return predict(port, x).argmax(-1)


def share_right(predicted: Tensor, labels: Tensor) -> Tensor:
    """The share of classes (*fleet, examples) that are the labels (examples,): (*fleet,), float64."""
    return (predicted == labels).double().mean(-1)
