"""Train, calibrate, compare and test a regressor."""
