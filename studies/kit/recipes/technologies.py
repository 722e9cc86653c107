"""What a device's technology asks of a task: layers, the loss that its outputs are judged by, a learner."""

from collections.abc import Callable
from typing import Final

from analog import Device, Layer, dense, mlp
from analog.layers import Paired, prepared
from learners import Loss, Update, recipes
from learners.data import Dataset
from learners.learner import Learner
from learners.losses import Sharpened

SHARPNESS: Final = 5.0  # digital gain of the outputs of chips that relax, so that they may stay small
INPUT_GAIN: Final = 30.0  # V, of a full input to a chip of conductances, which attenuate


def suitable_layers(
    device: Device, data: Dataset, *hidden: int, input_gain: float = INPUT_GAIN
) -> tuple[Layer, ...]:
    """The layers of a chip for a data set, such as its cells can make use of.

    Conductances have no sign, so inputs come in pairs, with one that is always on.

    Args:
        device: the technology.
        data: what the chip is to classify.
        hidden: neurons of each hidden layer.
        input_gain: V, of a full input where they come in pairs.
    """
    if device.synapse != "difference":
        return mlp(data.features, *hidden, data.classes)
    first, *above = mlp(2 * (data.features + 1), *hidden, data.classes, bias=False)
    wide = dense(first.features_in, first.features, bias=False, linear=first.linear)
    return prepared(wide, Paired(input_gain)), *above


def output_gain(device: Device) -> float:
    """The digital gain of a chip's outputs: above 1 where large ones would be fed back into the chip."""
    return SHARPNESS if device.settling else 1.0


def suitable_loss(device: Device, loss: Loss) -> Loss:
    """A loss as a chip is taught by: that of its outputs behind their digital gain."""
    return Sharpened(loss, output_gain(device)) if device.settling else loss


def suitable_recipe(device: Device, update: Update) -> Callable[[Loss], Learner]:
    """The learner of a technology: equilibrium propagation where chips relax, else learned feedback.

    Args:
        device: the technology.
        update: that it descends by.
    """
    recipe = recipes.equilibrium_propagation if device.settling else recipes.learned_feedback

    def learner(loss: Loss) -> Learner:
        return recipe(suitable_loss(device, loss), update=update)

    return learner
