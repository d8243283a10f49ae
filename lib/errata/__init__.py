"""Places where two statements about one quantity disagree, each with what decides it (chapter 16)."""

from lib.errata.entry import KINDS, Entry, summary

__all__ = ["KINDS", "Entry", "summary"]
