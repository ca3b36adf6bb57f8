"""What was committed reaches the world: in order per restaurant, at least once, whatever crashes."""
