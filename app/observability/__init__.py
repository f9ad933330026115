"""What an operator sees: logs, metrics, and the middleware that feeds them."""
