"""Plain nn.Modules, a file a family."""
