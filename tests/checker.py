"""A checker of rows and objects that uses nothing of Lodestore: SQL of the database's own driver, files and boto3.

It reads every JSON column of a schema for values with a `path`, and compares these with what the store holds.
"""

import hashlib
import json
import sqlite3
from pathlib import Path


def rows_of_sqlite(database, schema):
    """Yields table, column and text of every JSON value in the visible tables of a schema."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            if not table.startswith(f"{schema}.") or table.startswith(f"{schema}.~"):
                continue
            columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
            for column in columns:
                query = f'SELECT "{column}" FROM "{table}" WHERE typeof("{column}") = \'text\''
                yield from ((table, column, text) for (text,) in connection.execute(query))
    finally:
        connection.close()


def rows_of_postgresql(connection, schema):
    """The same, through a connection of psycopg or of any driver of PostgreSQL."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s "
            "AND data_type IN ('json', 'jsonb') AND table_name NOT LIKE '~%%'",
            [schema],
        )
        for table, column in cursor.fetchall():
            cursor.execute(f'SELECT "{column}"::text FROM "{schema}"."{table}" WHERE "{column}" IS NOT NULL')
            yield from ((table, column, text) for (text,) in cursor.fetchall())


def references(rows):
    """The values that name an object."""
    found = []
    for table, column, text in rows:
        try:
            value = json.loads(text)
        except ValueError:
            continue
        if isinstance(value, dict) and "path" in value:
            found.append((f"{table}.{column}", value))
    return found


def objects_of_folder(location):
    """The content of every object of a store in a folder, by path."""
    root = Path(location)
    paths = (path for path in root.rglob("*") if path.is_file())
    named = ((str(path.relative_to(root)), path) for path in paths)
    return {
        name: path.read_bytes()
        for name, path in named
        if not name.startswith(".lodestore/") and not path.name.endswith(".part")
    }


def objects_of_bucket(settings):
    """The same of a store in a bucket of S3."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=settings["endpoint"],
        aws_access_key_id=settings["access_key"],
        aws_secret_access_key=settings["secret_key"],
        region_name="us-east-1",
    )
    prefix = settings.get("location", "").strip("/") + "/"
    found = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=settings["bucket"], Prefix=prefix):
        for entry in page.get("Contents", []):
            name = entry["Key"][len(prefix) :]
            if not name.startswith(".lodestore/"):
                found[name] = client.get_object(Bucket=settings["bucket"], Key=entry["Key"])["Body"].read()
    return found


def compare(references, objects):
    """What is wrong: objects that are missing or not as their row says, and objects that no row names."""
    wrong, named = [], set()
    for place, value in references:
        path = value["path"]
        if value.get("is_dir"):
            inside = {name for name in objects if name.startswith(path + "/")}
            manifest = f"{path}.manifest.json"
            named |= inside | ({manifest} & set(objects))
            if not inside or manifest not in objects:
                wrong.append(f"{place}: the folder {path} is not whole")
                continue
            for file in json.loads(objects[manifest])["files"]:
                content = objects.get(f"{path}/{file['path']}")
                if content is None or len(content) != file["size"]:
                    wrong.append(f"{place}: {path}/{file['path']} is missing or cut short")
            continue
        content = objects.get(path)
        if content is None:
            wrong.append(f"{place}: {path} is missing")
            continue
        named.add(path)
        if len(content) != value["size"]:
            wrong.append(f"{place}: {path} has {len(content)} bytes, its row says {value['size']}")
        checksum = value.get("checksum")
        if checksum and checksum != "sha256:" + hashlib.sha256(content).hexdigest():
            wrong.append(f"{place}: {path} has other content than its row says")
    wrong += [f"no row names {path}" for path in sorted(set(objects) - named)]
    return wrong
