"""How each entity is read from Procore: one module per area. ``include.procore.reading`` is the door to all of them."""
