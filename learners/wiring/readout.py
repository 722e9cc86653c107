"""A linear read-out in digital memory, with the wires of a chip."""

from dataclasses import replace

from torch import Tensor

from analog.layers.crossbar import Layer
from analog.port import Port, Probe, Reading, make_port
from analog.spec import Knobs, Spec


class DigitalReadout:
    """One linear layer outside the chip, exact and without noise.

    Args:
        spec: of the chip (or a part of it) that it reads; its fleet, dtype and device are taken over.
        layer: the wiring; as many inputs as the chip's last layer has outputs.
        knobs: (*fleet, tiles, rows, cols), where it starts; None for zeros.
    """

    def __init__(self, spec: Spec, layer: Layer, knobs: Tensor | None = None) -> None:
        self.spec = replace(spec, layers=(layer,))
        self.knobs = self.spec.zeros()[0] if knobs is None else knobs

    def port(self) -> Port:
        """The wires of this read-out; pulses change it exactly."""
        layer = self.spec.layers[0]

        def program(knobs: Knobs) -> None:
            self.knobs = knobs[0].clone()

        def pulse(drive: Knobs) -> None:
            self.knobs = self.knobs + drive[0]

        def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
            del first, last  # there is but one layer
            (added,), (pushed,) = probe.knobs or (None,), probe.nodes or (None,)
            knobs = self.knobs if added is None else self.knobs + added
            out = layer.scatter(layer.multiply(x, knobs))
            return Reading((out if pushed is None else out + pushed,))

        return make_port(self.spec, program, pulse, read)
