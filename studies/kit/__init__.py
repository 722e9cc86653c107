"""What studies share: data, settings, references, and how a run is conducted, kept and resumed."""
