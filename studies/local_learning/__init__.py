"""Local learning: layers and blocks with objectives of their own."""
