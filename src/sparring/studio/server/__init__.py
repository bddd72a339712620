"""The server: who may send a request, files by ids, commands as processes, loaded models."""
