"""The official numbers of DCASE Task 2, as pure functions on arrays and readers of result folders.

Needs numpy and nothing else, so that an evaluation starts at once.
"""
