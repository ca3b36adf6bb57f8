"""The words and rules of the house: frozen values, no I/O, no clock, no randomness."""
