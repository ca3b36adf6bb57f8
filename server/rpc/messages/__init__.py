"""Translation between the contract's messages and the house's own values. Nothing here decides anything."""
