"""Is the service alive, is it ready, what does it count."""
