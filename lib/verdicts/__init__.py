"""What the rows say: the register of claims, its rules and the verdicts."""
