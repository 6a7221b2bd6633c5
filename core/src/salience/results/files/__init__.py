"""Results as files and tables: saved, loaded, exported."""
