"""Writing: what a check planned is carried out, one journaled step after the other, and nothing is ever sent twice.

``engine`` goes through a plan; ``plan`` asks whether it still holds, ``items`` makes what a step sends, ``steps`` sends it
between two commits, ``settling`` writes down what follows. ``answering`` and ``finality`` send what changes no record.
"""
