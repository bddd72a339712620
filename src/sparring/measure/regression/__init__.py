"""Tests of models that predict numbers with intervals."""
