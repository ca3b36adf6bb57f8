"""The contract's services: each handler translates, calls one use case, and translates back."""
