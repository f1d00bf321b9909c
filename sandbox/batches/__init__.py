"""The sandbox's ERP as it is where documents are entered in batches: handed over, and posted or rejected by a clerk the next day."""
