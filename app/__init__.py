"""PartVault's HTTP service, its worker and the `partvault` command."""
