"""Games: losses, penalties and the objects that combine them for the loop."""
