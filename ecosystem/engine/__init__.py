"""The engine: members of one kind in one tensor program, and the rounds that move them.

``cohorts`` stack the members, ``wiring`` the flows between them, ``waves`` turn an ordering into the fewest steps,
``bundles`` group the flows that go through the same operations, ``population`` and ``sampling`` gather what members
train on, ``rounds`` retrain them.
"""
