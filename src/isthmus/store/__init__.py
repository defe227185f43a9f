"""Records in SQL: tables, migrations, and the repositories the rules ask for."""
