"""Tables for notebooks: what is in them is words, never markup of its own."""

from analog import Chip, Ideal, Ledger, Mismatched, metered, mlp
from analog.effects import Clipped
from analog.tables import html_table


def test_cells_are_escaped_and_floats_are_short() -> None:
    table = html_table("a < b", ("name",), [("<script>",), (0.123456789,), (7,)])
    assert "<script>" not in table and "&lt;script&gt;" in table and "a &lt; b" in table
    assert "<td>0.1235</td>" in table and "<td>7</td>" in table and table.count("<tr>") == 4


def test_a_device_shows_its_settings() -> None:
    table = Mismatched(severity=0.5)._repr_html_()
    assert "<td>severity</td><td>0.5</td>" in table and "white noise of every reading" in table
    assert "V rms" in table and "amplifier saturates" in Clipped(Ideal(), 3.0)._repr_html_()


def test_a_ledger_shows_layers_and_where_energy_went() -> None:
    chips = Chip(Mismatched(), mlp(4, 3, 2), range(2))
    ledger = Ledger(chips.spec)
    port = metered(chips.port(), ledger)
    port.measure(chips.spec.zeros()[0][0, 0, :, :4], first=0, last=0)
    table = ledger._repr_html_()
    assert "<td>layer 0</td><td>3</td>" in table and "<td>layer 1</td><td>0</td>" in table
    assert "array" in table and "writes" not in table
