"""Webhooks of the Procore look-alike (docs/procore-contract.md §7): which changes fire, their events, delivery and management."""
