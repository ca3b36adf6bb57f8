"""The only room that knows PostgreSQL: queries, transactions, migrations, and a server to run them on."""
