"""Learning from outcomes: suggested signals, fitted weights, and what they are worth. Pure.

Nothing here reads or writes the database (docs/domain/learning.md).
"""
