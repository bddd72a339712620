"""The HTML report: page, plots and sections."""
