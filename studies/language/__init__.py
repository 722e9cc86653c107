"""Language: chips learn to predict text, write it, and teach what they know to others."""
