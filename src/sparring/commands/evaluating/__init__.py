"""Package evaluating."""
