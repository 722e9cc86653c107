"""The language of the project: no identifier that was given up for the field's word comes back.

Pairs of (module or package, identifier). What keys a stream or a lot, as `birth.normal("top")`, is a string
and no identifier; docs/words.md says what each word of ours is called elsewhere.
"""

import ast
from collections.abc import Iterator

import pytest

from tests.source import modules

EVERYWHERE = """
hiss dice rng Birth quiet quiet_loss foresee Evidence apart EpisodePerturbation StepPerturbation
Mirrors ByProbes TwoViews OtherPatches OwnHeads MadeUp HeldBack WireDrop Wearing steadied foreseen prior_shift
uncaptioned reworded HEARD VOICE STRAIGHT Unlawful OffTape Broken
"""
GIVEN_UP: dict[str, str] = {
    "analog": "nudge spent Course Rack Told tremor Plain cycle_noise suggested stated lived twins",
    "analog.devices": "top bottom fading asymmetry bends travel miss miss_scale weighed full",
    "analog.randomness": "silent whole",
    "analog.calibrate": "measured suggested stated lived fit Law",
    "analog.environment": "reach seen asks readings",
    "analog.wires": "readings",
    "learners": """
        Control control trust surprise Slopes slope slopes Image Neuron shown pull tower Storey
        Standing Dial dials turned set_to decayed scheduled accumulated piece joined stacked through
        alike summed correlate meaningful own_baseline Mixers mixer mixers mixed
        settled held LocalLoss HeldLoss SlopedLoss
    """,
    "learners.updates": "rate decay square_decay",
    "learners.theory": "tuned most best_rate",
    "studies.kit": "by_nodes",
    "learners.estimators": "Law law spread send most",
    "learners.local": "area undo inner shares Held turns",
    "learners.rl": """
        Arena arena played Moment Tally tallied Senses senses unseen Practice practice practised
        Rehearsal most Greedy ranked Squashed chosen floor credited to_go standardised
    """,
    "distill": """
        Answers Answer said Soft Label Samples Quantised Raw Matching dispute doubt mixtures some
        without kept chosen resampled Deadline listen planned told saved by_heart voiced Foreseen
        Mail Post together written community Sharing OwnAndHeard turns taken shifted merged slope
        slopes measurements
    """,
    "studies": """
        Way WAYS How conduct aims books care practice usual sparing schooled lived
        measurements device_words device_from pupils
    """,
}


def identifiers(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every name that a module binds, asks for or passes on, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Name():
                yield node.id, node.lineno
            case ast.Attribute():
                yield node.attr, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.keyword():
                yield node.arg or "", node.lineno
            case ast.FunctionDef() | ast.ClassDef():
                yield node.name, node.lineno
            case ast.alias():
                yield node.name.rpartition(".")[2], node.lineno
                yield node.asname or "", node.lineno


def given_up(name: str) -> set[str]:
    """The identifiers that a module may not use."""
    homes = [home for home in GIVEN_UP if name == home or name.startswith(f"{home}.")]
    return set(EVERYWHERE.split()) | {word for home in homes for word in GIVEN_UP[home].split()}


def left_over(name: str, tree: ast.Module) -> list[str]:
    banned = given_up(name)
    return [f"{name}:{line} {word}" for word, line in identifiers(tree) if word in banned]


@pytest.mark.parametrize("name", sorted(modules()))
def test_no_word_that_was_given_up_comes_back(name: str) -> None:
    assert left_over(name, modules()[name]) == []


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("analog.devices.new", "class A:\n    hiss: float = 0.1"),
        ("learners.updates.new", "def sgd(rate): ..."),
        ("learners.rl.new", "from .rollout import played"),
        ("distill.new", "port.measure(x, doubt=1)"),
    ],
)
def test_every_return_is_seen(name: str, code: str) -> None:
    assert left_over(name, ast.parse(code))
