"""`sparring classify SOURCE --adapt-to TARGET`: candidates, their training, the choice without target labels."""
