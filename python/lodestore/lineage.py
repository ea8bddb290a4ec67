"""Where attributes were first declared, as a schema records it."""


def get_lineage(connection, database, table_name, attribute_name):
    """The origin of an attribute, as ``schema.table.attribute``; None if none is recorded."""
    return get_table_lineages(connection, database, table_name).get(attribute_name)


def get_table_lineages(connection, database, table_name):
    """The recorded origins of a table's attributes, by attribute."""
    prefix = f"{database}.{table_name}."
    found = get_schema_lineages(connection, database)
    return {name.removeprefix(prefix): origin for name, origin in found.items() if name.startswith(prefix)}


def get_schema_lineages(connection, database):
    """The recorded origins of all attributes of a schema: ``schema.table.attribute`` to the same form."""
    return dict(connection._core.schema(database, False).lineage())


def lineage_table_exists(connection, database):
    """True if the schema records the origins of its attributes."""
    return connection._core.schema(database, False).has_lineage()


def rebuild_schema_lineage(connection, database):
    """Records the origins anew, as keys and foreign keys tell; see `Schema.rebuild_lineage`."""
    connection._core.schema(database, False).rebuild_lineage()
