"""Hardware: how published devices learn, how long they remember, and what measurements tell of them."""
