"""The datasheet: what is worked out once stays out of equality, hash and copies."""

import pickle
from dataclasses import replace

import pytest

from analog import Budget, Spec, dense

SPEC = Spec((dense(6, 4), dense(4, 3, linear=True)), fleet=(2,))


def test_shapes_and_spans_are_worked_out_once() -> None:
    spec = replace(SPEC)
    assert spec.shapes == ((2, 1, 4, 7), (2, 1, 3, 5))
    assert spec.shapes is spec.shapes
    assert spec.span(1) is spec.span(1, 1)
    assert spec.span(1).layers == spec.layers[1:]
    assert spec.span() is spec


def test_what_was_worked_out_is_no_part_of_a_datasheet() -> None:
    used, fresh = replace(SPEC), replace(SPEC)
    _ = used.shapes, used.span(0, 0)
    assert used == fresh and hash(used) == hash(fresh) and repr(used) == repr(fresh)
    assert pickle.loads(pickle.dumps(used)) == fresh
    assert replace(used, fleet=(3,)).shapes[0] == (3, 1, 4, 7)


@pytest.mark.parametrize("limit", [-1.0, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    for name in ("reads", "pulses_per_cell", "joules", "seconds"):
        with pytest.raises(ValueError, match=f"budgets are finite .*'{name}'"):
            Budget(**{name: limit})


def test_the_scarcest_limit_says_how_many_reads_fit() -> None:
    read_joules = SPEC.costs.read_joules(SPEC.layers)
    assert Budget(reads=9).max_reads(SPEC) == 9
    assert Budget(reads=9, joules=3 * read_joules).max_reads(SPEC) == 3
    assert Budget(seconds=5 * 2 * SPEC.costs.read_seconds, joules=1.0).max_reads(SPEC) == 5
    for idle in (Budget(), Budget(pulses_per_cell=1.0)):
        with pytest.raises(ValueError, match="does not limit the reads"):
            idle.max_reads(SPEC)
