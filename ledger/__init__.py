"""The ledger client: statements, outbox, relay, indexer, embedded chain and audit."""
