"""What each folder and file of a source stands for, by evidence in the listing: names, counts, structure."""
