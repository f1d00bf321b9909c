"""Mapping files: one YAML that says where an ERP database keeps the canonical fields and how a document is written to it.

The keys are explained for authors in docs/erp-sql-adapter.md: ``spec`` has them, ``loading`` reads a file, ``checks`` holds it
against the canonical models.
"""
