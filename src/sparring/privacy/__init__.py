"""Differential privacy: accounting, noise from the operating system, the ledger of releases."""
