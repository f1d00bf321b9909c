"""Reading: everything that a run learns of the two systems before it judges, staged for the tasks behind (docs/architecture.md)."""
