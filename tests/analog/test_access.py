"""Access is a lattice: what two give, what covers two needs, and who covers whom fit together."""

from itertools import product

import pytest

from analog.access import LEVELS, Access

ALL = [Access(level, node_probes) for level in LEVELS for node_probes in (False, True)]


@pytest.mark.parametrize(("one", "other"), [*product(ALL, ALL)], ids=str)
def test_what_both_give_is_the_most_that_either_covers(one: Access, other: Access) -> None:
    below = [a for a in ALL if one.covers(a) and other.covers(a)]
    above = [a for a in ALL if a.covers(one) and a.covers(other)]
    assert one & other in below and all((one & other).covers(a) for a in below)
    assert one | other in above and all(a.covers(one | other) for a in above)


def test_levels_rise_from_the_loss_to_spans() -> None:
    rising = [Access(level, node_probes=False) for level in ("loss", "outputs", "taps", "spans")]
    assert all(
        strong.covers(weak) == (i >= j) for i, strong in enumerate(rising) for j, weak in enumerate(rising)
    )
    assert not Access("spans", node_probes=False).covers(Access("loss", node_probes=True))
    assert all(Access().covers(access) for access in ALL)


def test_a_level_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"level is 'tap', wanted one of loss, outputs, taps, spans"):
        Access("tap")  # type: ignore[arg-type]
