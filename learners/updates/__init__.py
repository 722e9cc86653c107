"""Updates: from an estimated gradient to the drive that is pulsed, plain or tuned by another update."""
