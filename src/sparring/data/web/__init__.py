"""Data on the web that are more than one file: pages that link to data, the Hugging Face hub, OpenML."""
