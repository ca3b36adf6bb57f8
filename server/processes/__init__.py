"""Several processes that serve together: one that looks after them, and what each of them runs."""
