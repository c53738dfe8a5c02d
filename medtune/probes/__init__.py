"""Safety probes: families of items, what both arms of an adapter are asked, and what that comes to.

family.py, items.py      what is asked, as strict files
checks.py                whether a family can carry its claim
asking.py, running.py    both arms on one family
coherence.py, refusals.py, texts.py   what written texts come to
privacy.py, figures.py   secrets, membership, forgetting, calibration
published/               sets that others published
summaries.py             from pairs to results
"""
