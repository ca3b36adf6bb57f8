"""`python -m tests.bench`: how long planning takes, and what a hold costs beside the database's own share of it."""

from tests.bench import holds_speed, planner_speed

if __name__ == "__main__":
    print("Planner, pure, warm and cold\n")
    planner_speed.main()
    print("\nOne caller through the real server, durable PostgreSQL\n")
    holds_speed.main()
