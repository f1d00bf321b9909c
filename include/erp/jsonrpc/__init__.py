"""ERPs that are reached by remote procedures on models, with JSON: Tryton, Odoo."""
