"""What clients asked and were told, and whether a service that gives no table twice can have told it."""
