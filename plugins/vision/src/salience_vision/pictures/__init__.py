"""Pictures of maps: over photos, as montages, and how they are scaled."""
