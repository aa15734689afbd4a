"""The manager's pages: policy, selector, render."""
