"""What a source is made of: folders, archives and what their first bytes say."""
