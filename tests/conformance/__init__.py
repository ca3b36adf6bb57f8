"""One suite per port, for everything that stands behind it."""
