"""Train an obfuscator, and audit what it releases by fresh adversaries."""
