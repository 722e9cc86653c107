"""What the documentation's builder adds to Sphinx: pages made from the code, and references between them."""
