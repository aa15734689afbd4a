"""Pages about how leads are scored: policy, selector or service, render."""
