-- How far back a restaurant's past claims are cleared away. What they said stays in the assignments and blocks.

CREATE TABLE past_claims_cleared (
    restaurant_id uuid PRIMARY KEY REFERENCES restaurants (restaurant_id),
    cleared_until timestamptz NOT NULL
);
