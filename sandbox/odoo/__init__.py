"""A real Odoo 14 for the acceptance suite, in an environment, a database and processes of its own (docs/odoo.md)."""
