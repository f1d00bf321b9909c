"""How records are read from Procore: what the readers of all families share. Each family's own readers stand in ``areas``."""
