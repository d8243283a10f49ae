"""The classroom: masters of the assignments, their releases, and grading that trusts no submission."""
