"""How a validated file reaches a printer: one module per kind of printer host."""
