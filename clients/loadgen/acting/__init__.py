"""Callers who live the lives of their bookings, as a scenario says, each process from its own part of the seed."""
