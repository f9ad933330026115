"""The agent beside a printer: identity, job, drivers."""
