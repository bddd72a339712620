"""Effects of the handles of a model: what moving one does, as sentences that can fail."""
