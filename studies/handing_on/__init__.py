"""Studies: handing on."""
