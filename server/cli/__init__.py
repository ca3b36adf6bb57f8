"""The command line: arguments in, output out. Everything it does to a restaurant goes through the client."""
