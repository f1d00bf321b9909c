"""Reading: all that a run learns of both systems before it judges, staged for the tasks behind (docs/operating.md)."""
