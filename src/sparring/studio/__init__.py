"""The web studio: a local page that reads run folders and starts commands as processes of their own."""
