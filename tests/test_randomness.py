"""No dice but the named streams, anywhere in the four packages; nothing iterates over a set."""

import ast

import pytest

from tests.source import modules

FREE = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson"}
IN_PLACE = {
    "normal_",
    "uniform_",
    "bernoulli_",
    "random_",
    "exponential_",
    "cauchy_",
    "geometric_",
    "log_normal_",
}
BANNED = {"rand_like", "randn_like", "randint_like", "dropout", "set_rng_state", "default_rng"}
SEEDING = {"manual_seed", "seed", "initial_seed"}
SEEDED = {"analog.streams", "learners.randomness"}  # the only modules where a generator is seeded
WATCH = {  # the only modules that name the global generators, to see that nobody touches them
    "analog.contract",
    "analog.check.surroundings",
    "studies.kit.metrics.peers",  # other libraries draw from them; they are put back
}


def noise_seed(name: str, tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        where = f"{name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] + [getattr(node, "module", None) or ""]
            if any(n == "random" or n.startswith(("numpy.random", "random.")) for n in names):
                found.append(f"{where} imports random")
        if isinstance(node, ast.Attribute) and node.attr == "random" and isinstance(node.value, ast.Name):
            found.append(f"{where} uses {node.value.id}.random")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            word, given = node.func.attr, {k.arg for k in node.keywords}
            on_torch = isinstance(node.func.value, ast.Name) and node.func.value.id == "torch"
            if word in BANNED or (word in SEEDING and name not in SEEDED):
                found.append(f"{where} calls {word}")
            if ((word in FREE and on_torch) or word in IN_PLACE) and "generator" not in given:
                found.append(f"{where} calls {word} without generator=")
        if isinstance(node, ast.For | ast.comprehension) and isinstance(node.iter, ast.Set | ast.SetComp):
            found.append(f"{where} iterates over a set")
        if (
            isinstance(node, ast.For | ast.comprehension)
            and isinstance(node.iter, ast.Call)
            and isinstance(node.iter.func, ast.Name)
            and node.iter.func.id in ("set", "frozenset")
        ):
            found.append(f"{where} iterates over a set")
    return found


@pytest.mark.parametrize("name", sorted(set(modules()) - WATCH))
def test_no_dice_but_named_streams(name: str) -> None:
    assert noise_seed(name, modules()[name]) == []


@pytest.mark.parametrize(
    "code",
    [
        "import random",
        "from numpy import random",
        "import numpy.random as r",
        "x = np.random.rand(3)",
        "torch.randn(3)",
        "torch.randn_like(x)",
        "x.normal_()",
        "torch.manual_seed(0)",
        "generator.manual_seed(0)",
        "torch.nn.functional.dropout(x)",
        "for x in {1, 2}: pass",
        "[x for x in set(y)]",
    ],
)
def test_every_die_is_seen(code: str) -> None:
    assert noise_seed("learners.cheat", ast.parse(code))


def test_named_streams_are_not_mistaken() -> None:
    assert noise_seed("learners.fair", ast.parse("torch.randn(3, generator=g); x.normal_(generator=g)")) == []
