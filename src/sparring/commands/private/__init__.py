"""Private data: `--private EPSILON` of `train` and `classify`."""
