"""The engine: members of one kind in one tensor program, and the rounds that move them.

``program`` is what rounds do not change, ``state`` what they do, ``step`` leads from one state to the next. ``diets``
and ``minds`` are the changes that decisions and interventions make. ``cohorts`` stack the members, ``wiring`` the flows
between them, ``waves`` turn an ordering into the fewest steps, ``bundles`` group the flows that go through the same
operations, ``population`` and ``sampling`` gather what members train on, ``looking`` lets users see it.
"""
