"""Tables: cells, columns, and files of text, parquet or arrays as rows of cells."""
