"""Steps of other libraries on the network of our own: torch's, and aihwkit's where it is installed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from warnings import warn

import torch
from torch.nn.functional import cross_entropy

from .timings import normal

READING = "reading 784 -> 256, batch 256"
STEP = "training step 784-256-10 by backpropagation, batch 512"


@contextmanager
def peer_calls() -> Iterator[dict[str, Callable[[], Any]]]:
    """What other libraries do on the same shapes, by name; the global generator they draw from is put back.

    Torch trains by backpropagation and fused Adam. Of aihwkit (extra "peers", https://github.com/IBM/aihwkit)
    `TorchInferenceRPUConfig` is its tile in pure torch (noise-aware training, no pulses), `SingleRPUConfig`
    its simulation of pulsed devices; both whole, and of default settings. A tile compiled for another
    torch is left out, with a warning.
    """
    with torch.random.fork_rng(devices=[]):
        net = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
        calls = {f"torch: {STEP}": _training(net, torch.optim.Adam(net.parameters(), 1e-3, fused=True))}
        if find_spec("aihwkit") is not None:
            for config in ("TorchInferenceRPUConfig", "SingleRPUConfig"):
                try:
                    calls |= _aihwkit_calls(config)
                except RuntimeError as problem:
                    warn(f"aihwkit's {config} does not run here: {problem}", stacklevel=2)
        yield calls


def _aihwkit_calls(config: str) -> dict[str, Callable[[], Any]]:
    nn, optim = import_module("aihwkit.nn"), import_module("aihwkit.optim")
    configs = import_module("aihwkit.simulator.configs")
    whole = configs.MappingParameter(max_input_size=0, max_output_size=0)

    def linear(features_in: int, features: int) -> Any:
        return nn.AnalogLinear(features_in, features, rpu_config=getattr(configs, config)(mapping=whole))

    layer, x = linear(784, 256), normal(256, 784)

    def read() -> Any:
        with torch.no_grad():
            return layer(x)

    net = nn.AnalogSequential(linear(784, 256), torch.nn.ReLU(), linear(256, 10))
    optimizer = optim.AnalogSGD(net.parameters(), lr=0.05)
    optimizer.regroup_param_groups(net)
    step = _training(net, optimizer)
    for call in (read, step):
        call()
    return {f"aihwkit, {config}: {READING}": read, f"aihwkit, {config}: {STEP}": step}


def _training(net: torch.nn.Module, optimizer: Any) -> Callable[[], None]:
    x, target = normal(512, 784), torch.arange(512) % 10

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(net(x), target).backward()
        optimizer.step()

    return step
