"""Measures a whole maitred, with its database and its processes, against stated targets."""
