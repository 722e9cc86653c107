"""What the laws say before anything is measured, and settings that follow from them."""
