"""Certificates for hardware, through its wires only: `certify(port)` and `same_chip(port, other)`.

Both need a port and nothing else, a lab instrument's as well as a simulated chip's; what they say is said of
the wires. Nothing here imports a device or a chip.

How noise is kept out of an estimate of size: the squared length of a mean effect is estimated by the product
of two independent measurements of it, whose noise has mean zero, as in cross-validated distances
(Diedrichsen, Provost and Zareamoghaddam 2016, https://arxiv.org/abs/1607.01371).
"""

from .features import Contrast
from .findings import Certificate, Finding
from .same_chip import Comparison

__all__ = ["Certificate", "Comparison", "Contrast", "Finding"]  # the functions are exported by `analog`
