"""REST API v1: leads, what is known of them, and the queue."""
