"""Weight formats: how constants are packed for a kernel, and what a packed stream means; twins of `firmware/`."""
