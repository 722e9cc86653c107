"""Digital wiring around ports: parts of chips, residual connections, decorrelation."""
