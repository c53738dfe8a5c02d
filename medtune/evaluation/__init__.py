"""Scores that say on which items, by which protocol and how surely.

Suites, published figures, comparisons and files are read without torch: import each module by
its name.
"""
