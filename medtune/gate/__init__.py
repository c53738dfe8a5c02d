"""The gate: paired outcomes in, a decision out that can be replayed. No model, no torch.

policy.py      what is asked, in a strict file with a digest
evidence.py    what is read, and whether its parts belong together
deciding.py    outcomes to verdicts
waivers.py     signed statements that a verdict is tolerated
run.py         all of it, with gate.json, junit.xml, comment.md and gate.html
"""
