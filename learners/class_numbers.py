"""Class numbers beside the outputs that answer to them: the one place where labels meet the last layer."""

from torch import Tensor

from analog.verdicts import require


def require_outputs(labels: Tensor, outputs: int, user: str) -> None:
    """Refuse labels of classes that a chip has no output for.

    Args:
        labels: class numbers of any shape, int64, of one example or more.
        outputs: of the last layer.
        user: who has them, as messages name it.

    Raises:
        ValueError: a class number is as large as the count of outputs, or larger.
    """

    def refusal() -> ValueError:
        needed = int(labels.max()) + 1
        has = f"{outputs} output{'s' if outputs > 1 else ''}"
        return ValueError(
            f"{user} has {has}, and the labels need {needed}, one for each class from 0 to {needed - 1}"
        )

    require(labels.max() < outputs, refusal)
