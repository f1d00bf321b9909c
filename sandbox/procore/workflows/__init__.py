"""Workflows: who is asked about a document next, and the status that follows from the answer (docs/procore-contract.md §9)."""
