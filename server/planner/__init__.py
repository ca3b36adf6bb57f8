"""Pure: a floor, a policy, the claims and a party in; ranked plans or the reasons against every table set
out.
"""
