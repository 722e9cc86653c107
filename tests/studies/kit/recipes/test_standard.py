"""Devices are named on the command line by where they are imported from."""

from typing import Any

import pytest

from analog import Ideal
from analog import Mismatched
from analog import SoftBoundsRRAM
from studies.kit.recipes.standard import device_from
from studies.kit.recipes.standard import device_words


@pytest.mark.parametrize(
    "device",
    [Ideal(), Mismatched(), Mismatched(severity=0.5, read_noise=0.1), SoftBoundsRRAM(step=0.01)],
    ids=str,
)
def test_devices_on_the_command_line(device: Any) -> None:
    assert device_from(device_words(device)) == device


@pytest.mark.parametrize(
    "words",
    [
        "Mismatched",
        "analog:Nothing",
        "nowhere:Class",
        "analog:Mismatched(severity=9)",
        "analog:Mismatched(colour=1)",
        "analog:Mismatched(severity=__import__('os'))",
        "analog:Mismatched(severity=1",
        "analog:Mismatched(1.0)",
        "analog:Port",
        "mine.py:Memristor",
    ],
)
def test_bad_devices_are_named(words: str) -> None:
    with pytest.raises(ValueError, match=r"device ['\"]"):
        device_from(words)
