-- name: database_exists
-- Whether the server has a database of this name.
SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1) AS database_exists;

-- name: create_database_statement
-- The statement that makes an empty database of this name, whose name cannot be a parameter.
SELECT format('CREATE DATABASE %I', $1::text) AS statement;
