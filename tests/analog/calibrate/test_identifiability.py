"""What a table cannot tell is named and fixed."""

import pytest

from analog import MeasurementPlan, Mismatched
from analog.calibrate import calibrate, simulate_table
from analog.calibrate.scales import not_fitted
from analog.devices import SoftBoundsRRAM, WanRRAM


def test_what_a_table_cannot_tell_is_named_and_fixed() -> None:
    device = SoftBoundsRRAM()
    plan = device.default_plan(100)
    early = MeasurementPlan(
        "pulses", plan.actions[:, :3], plan.seconds[:3], plan.inputs[:3]
    )  # never near a bound
    found = calibrate(device, simulate_table(device, early), copies=10)
    assert "w_min" in found.fixed and found.fixed["w_min"] == device.w_min
    assert any(w.startswith("w_min is not identifiable from this table") for w in found.warnings)
    insisted = calibrate(device, simulate_table(device, early), copies=10, free=("step", "w_min_dtod"))
    assert any(w.startswith("w_min_dtod is not identifiable") for w in insisted.warnings)


def test_of_two_that_show_only_together_one_is_left() -> None:
    """Amplifier and cell gains multiply; a factor on all spreads is never fitted."""
    found = calibrate(
        Mismatched(), simulate_table(Mismatched(), Mismatched().default_plan(200)), limit=0.3, copies=10
    )
    assert ("gain_dtod" in found.fixed) != ("amplifier_gain_dtod" in found.fixed)
    assert "severity" in found.fixed and not_fitted(Mismatched()) == ("severity",)


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
