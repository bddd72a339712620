"""What the players play for."""
