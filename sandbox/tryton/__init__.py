"""A real ERP beside the sandbox's own: Tryton, in an environment, a database and a process of its own (docs/tryton.md)."""
