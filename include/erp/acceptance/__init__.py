"""The acceptance suite: whether an ERP, spoken to through its mapping, does what a run relies on.

``running`` runs it: a pytest plugin (``plugin``) and the checks of ``reads``, ``sent``, ``writes`` and ``afterwards``, on
documents that ``documents`` makes from the ERP's own ``masters``. ``result`` keeps what came of it beside the mapping. It speaks
to the port only, and needs neither Airflow nor Procore.
"""
