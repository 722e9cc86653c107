"""What a device's technology asks of a task: layers, loss and learner, and by what settings it learns."""

from collections.abc import Callable
from typing import Final, Literal

from analog import Device, Layer, dense, mlp
from analog.layers import Paired, prepared
from learners import Loss, Update, recipes
from learners.data import Dataset
from learners.learner import Learner
from learners.losses import Sharpened

from ..metrics.cell_bench import bench

SHARPNESS: Final = 5.0  # digital gain of the outputs of chips that relax, so that they may stay small
INPUT_GAIN: Final = 30.0  # V, of a full input to a chip of conductances, which attenuate
LEVELS: Final = 128  # weights of a cell that can be told apart, below which a device is coarse
DeviceClass = Literal["smooth", "pulsed", "coarse", "relaxing"]


def suitable_layers(
    device: Device, data: Dataset, *hidden: int, input_gain: float = INPUT_GAIN
) -> tuple[Layer, ...]:
    """The layers of a chip for a data set, such as its cells can make use of.

    Conductances have no sign, so inputs come in pairs, with one that is always on.

    Args:
        device: the technology.
        data: what the chip is to learn.
        hidden: neurons of each hidden layer.
        input_gain: V, of a full input where they come in pairs.
    """
    if device.synapse != "difference":
        return mlp(data.features, *hidden, data.outputs)
    first, *above = mlp(2 * (data.features + 1), *hidden, data.outputs, bias=False)
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


def device_class(device: Device) -> DeviceClass:
    """What a learner's settings have to suit: how a device settles, and how finely it is written.

    It relaxes; or it is coarse, its cells holding fewer than `LEVELS` weights, however they are written; or
    it is pulsed, moving by finer steps of one size; or it is smooth.

    Args:
        device: the technology; its cells are written at the bench.
    """
    if device.settling:
        return "relaxing"
    levels = bench(device, 0)["levels"]
    if levels is not None and levels < LEVELS:
        return "coarse"
    return "smooth" if device.costs.step is None else "pulsed"
