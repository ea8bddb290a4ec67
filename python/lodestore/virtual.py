"""Virtual modules: the tables of a schema whose classes are elsewhere, or nowhere."""

import types

from .schemas import Schema


class VirtualModule(types.ModuleType):
    """A module whose classes are the tables of an existing schema.

    - `module_name`: the name of the module; `schema_name`: that of the schema;
    - `create_schema`: whether the schema may be made if it is not there;
    - `create_tables`: whether classes decorated with its `schema` may make their tables;
    - `connection`: the process-wide one unless given;
    - `add_objects`: further names for the module.

    Raises `MissingTableError` if the schema does not exist and must not be made.
    """

    def __init__(
        self,
        module_name,
        schema_name,
        *,
        create_schema=False,
        create_tables=False,
        connection=None,
        add_objects=None,
    ):
        super().__init__(module_name, f"The tables of schema `{schema_name}`.")
        names = self.__dict__
        names.update(add_objects or {})
        names["schema"] = Schema(
            schema_name,
            create_schema=create_schema,
            create_tables=create_tables,
            connection=connection,
        )
        # Behind the names that a class decorated with it sees.
        names["schema"]._module_names = names
        names["schema"].make_classes(names)


def virtual_schema(
    schema_name, *, connection=None, create_schema=False, create_tables=False, add_objects=None
):
    """A `VirtualModule` named as its schema."""
    return VirtualModule(
        schema_name,
        schema_name,
        create_schema=create_schema,
        create_tables=create_tables,
        connection=connection,
        add_objects=add_objects,
    )
