"""Pure: rooms and evenings from a seed, requests one by one through the planner, and the best that perfect
foresight could have done.
"""
