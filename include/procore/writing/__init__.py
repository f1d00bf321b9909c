"""Ways to write to Procore, one call per batch, and the look whether an effect is already there.

Each family's file says which writes an entity takes; most are one of a few ways to write (``sync``, ``lines``, ``single``,
``once``), given what it sends, what a reply is matched by and what proves that it arrived. ``plans`` has the usual ones,
``writer`` carries them out.
"""
