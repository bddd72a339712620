"""Feature networks that scores are computed on."""
