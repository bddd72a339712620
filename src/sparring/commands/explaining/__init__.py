"""What `sparring explain` does, by the capability of the model."""
