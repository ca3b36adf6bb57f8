"""`python -m tests.bench`: how long planning and searching take, and what a hold costs beside the database's share."""

from tests.bench import availability_speed, holds_speed, planner_speed

if __name__ == "__main__":
    print("Planner, pure, warm and cold\n")
    planner_speed.main()
    print("\nA search for availability beside as many plans, pure\n")
    availability_speed.main()
    print("\nOne caller through the real server, durable PostgreSQL\n")
    holds_speed.main()
