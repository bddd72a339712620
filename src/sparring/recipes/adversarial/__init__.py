"""Package adversarial."""
