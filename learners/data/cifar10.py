"""Where CIFAR-10's pictures lie: 60,000 of 32 x 32 pixels in colors, of ten classes.

Krizhevsky, "Learning multiple layers of features from tiny images" (2009),
https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf. It is read as pictures, not from the
original's pickles: what was compressed on the way, as by JPEG, is another data set with other errors.
"""

import os
from pathlib import Path

from .bad_data import BadData
from .idx import is_folder


def find_cifar10() -> Path:
    """Find CIFAR-10 in $MORTAL_DATA/cifar10: a folder with train/ and test/, or a .zip of these in it.

    Raises:
        BadData: it is not there; says what to do.
    """
    home = os.environ.get("MORTAL_DATA")
    folder = Path(home or "").expanduser() / "cifar10"
    zips = sorted(folder.glob("*.zip")) if home and is_folder(folder) else []
    if home and is_folder(folder / "train"):
        return folder
    if len(zips) == 1:
        return zips[0]
    found = f"{folder} has neither train/ nor one .zip" if home else "MORTAL_DATA is not set"
    raise BadData(
        f"data: cifar10: {found}; put train/CLASS/*.png and test/CLASS/*.png, or one .zip of these, into a "
        "folder cifar10/ and set MORTAL_DATA to the folder that holds it, or pass the folder itself"
    )
