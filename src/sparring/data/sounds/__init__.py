"""Sounds: reading, loudness, and sounds without speech."""
