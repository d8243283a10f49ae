"""The scorecard: all claims with verdicts, rules and rows, two rounds compared, and which claims rest on which."""
