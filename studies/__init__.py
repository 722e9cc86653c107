"""Studies: one claim, one file. `python -m studies` lists them."""
