"""Two deployments connected in one go: a plan of steps with their undo, and what runs it."""
