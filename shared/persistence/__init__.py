"""Databases: connections, the unit of work, migrations. The only room that knows SQL dialects."""
