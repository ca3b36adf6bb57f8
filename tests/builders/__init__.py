"""Small worlds for tests: floors, policies and questions with readable ids."""
