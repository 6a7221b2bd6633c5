"""Pictures of tables: what they show, in which colours and words, and how it is drawn."""
