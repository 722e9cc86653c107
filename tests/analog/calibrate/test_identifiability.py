"""What a table cannot tell is named and fixed."""

from dataclasses import replace

import pytest

from analog import MeasurementPlan, Mismatched
from analog.calibrate import calibrate, prior, simulate_table
from analog.calibrate.confidence import ConfidenceDistribution
from analog.calibrate.identifiability import doubts
from analog.calibrate.scales import not_fitted, search_scale
from analog.devices import SoftBoundsRRAM, WanRRAM


def test_what_a_table_cannot_tell_is_named_and_stays_open() -> None:
    """Cells that never came near a bound: its interval is about as wide as what was known before."""
    device = SoftBoundsRRAM()
    plan = device.default_plan(100)
    early = MeasurementPlan("pulses", plan.actions[:, :3], plan.seconds[:3], plan.inputs[:3])
    table = simulate_table(device, early)
    found = calibrate(device, table, copies=10, free=("step", "read_noise", "w_min", "w_min_dtod"))
    for name in ("w_min", "w_min_dtod"):
        assert found[name].doubts[0].startswith("not identifiable from this table"), name
        assert any(w.startswith(f"{name} is not identifiable from this table") for w in found.warnings)
    before = prior(device, "w_min")
    assert found["w_min"].high - found["w_min"].low > 0.5 * (before.high - before.low)
    assert not found["step"].doubts
    with pytest.raises(ValueError, match="no parameter is identifiable .* name in `free`"):
        calibrate(device, table, copies=2)  # three readings do not tell eleven parameters apart


def test_of_two_that_show_only_together_neither_is_vouched_for() -> None:
    """Amplifier and cell gains multiply; a factor on all spreads is never fitted."""
    found = calibrate(
        Mismatched(), simulate_table(Mismatched(), Mismatched().default_plan(200)), limit=0.3, copies=10
    )
    for name in ("gain_dtod", "amplifier_gain_dtod"):
        assert any("not identifiable" in why for why in found[name].doubts), name
    assert not found["read_noise"].doubts
    assert "severity" in found.fixed and not_fitted(Mismatched()) == ("severity",)


def test_each_reason_for_doubt_is_named_alone() -> None:
    law = ConfidenceDistribution(search_scale(WanRRAM(), "read_noise"), -3.0, 0.01)
    assert doubts(law, 0.2, 0.8) == ()
    assert "relative standard error 0.3" in doubts(replace(law, error=0.3), 0.2, 0.8)[0]
    assert "end of its range" in doubts(replace(law, high=-2.98), 0.2, 0.8)[0]
    assert "few cells" in doubts(replace(law, freedom=20.0, share=0.2), 0.2, 0.8)[0]


def test_nothing_to_tell_is_an_error() -> None:
    device = WanRRAM()
    table = simulate_table(device, device.default_plan(100))
    with pytest.raises(ValueError, match="no parameter is identifiable"):
        calibrate(device, table, limit=1e-6, copies=2)
    with pytest.raises(ValueError, match="color is not a float parameter; there are read_noise, g_max"):
        calibrate(device, table, free=("color",))
    with pytest.raises(ValueError, match="free is empty"):
        calibrate(device, table, free=())
    with pytest.raises(ValueError, match="programming_error_scale is 0, from where no search"):
        calibrate(WanRRAM(programming_error_scale=0.0), table, free=("programming_error_scale",))
