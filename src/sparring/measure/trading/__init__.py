"""Profit and loss of trading strategies, without attack and under it."""
