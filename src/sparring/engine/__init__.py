"""The game, the loop, the run folder; nothing here knows any one paper."""
