"""What auditors read: the ledger's state, events and operations, and evidence files."""
