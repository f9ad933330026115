"""The gate: reads print files in a sandbox, judges them and draws them."""
