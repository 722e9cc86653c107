"""How rows hold the likeness of students to their teachers."""

from typing import Any

from distill import Likeness


def likeness_row(like: Likeness) -> dict[str, Any]:
    """The likeness as a row holds it: means over the fleet, and what each chip has."""
    return {
        "accuracy": [round(a, 6) for a in like.accuracy.reshape(-1).tolist()],
        "agreements": [round(a, 6) for a in like.agreement.reshape(-1).tolist()],
        "divergences": [float(f"{d:.6g}") for d in like.divergence.reshape(-1).tolist()],
        "agreement": float(like.agreement.mean()),
        "divergence": float(like.divergence.mean()),
        "kappa": float(like.kappa.mean()),
        "repeated": like.repeated.share,  # of the teachers' mistakes
        "calibration_error": float(like.calibration_error.mean()),
    }
