"""Studies: one claim, one file. `python -m studies` lists them."""

import os

# Threads that wait for each other sleep instead of spinning: where others use the machine too, spinning
# makes two threads several times slower than one. OpenMP reads this when torch is first loaded; a user's
# own setting wins.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
