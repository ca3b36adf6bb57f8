"""What the service has to bear: load and faults from a seed, over a database, processes and passages of its own."""
