"""The sandbox's ERP where documents enter batches: handed over, and posted or rejected by a clerk the next day."""
