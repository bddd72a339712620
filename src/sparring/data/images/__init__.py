"""Images: decoding, axes, sizes and the scale of numbers."""
