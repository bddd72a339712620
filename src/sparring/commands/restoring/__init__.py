"""Parts of `sparring restore`."""
