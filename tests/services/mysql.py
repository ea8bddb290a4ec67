"""MariaDB: Debian's, or any that is on the PATH. MySQL: the same, or Debian's for its next release, unpacked."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import lodestore as dj

from .process import Process, apt_install, program

# A server that root starts runs as another user, who cannot look into root's home.
CACHE = Path("/var/cache" if os.geteuid() == 0 else Path.home() / ".cache") / "lodestore-tests"


class PrivateServer(Process):
    """A server of one's own, whose superuser is `lodestore`. What is not for both servers is said by subclasses."""

    user_name = "lodestore"

    def __init__(self, *options):
        super().__init__("mysql")
        self.password = secrets.token_hex(12)
        self.options = options
        self.data = self.folder / "data"
        self.initialize()
        secret = f"CREATE USER '{self.user_name}'@'%' IDENTIFIED BY '{self.password}';"
        script = self.folder / "init.sql"
        script.write_text(f"{secret}\nGRANT ALL ON *.* TO '{self.user_name}'@'%' WITH GRANT OPTION;\n")
        if self.user:
            shutil.chown(script, self.user)
        self.start(f"--init-file={script}")
        script.unlink()

    def start(self, *options):
        """Starts it (again)."""
        socket = self.folder / "socket"
        command = [
            *self.program(),
            f"--datadir={self.data}",
            # A server that starts removes the scratch files of all servers that share its folder for them.
            f"--tmpdir={self.data}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--socket={socket}",
            f"--pid-file={self.folder / 'pid'}",
            "--character-set-server=utf8mb4",
            "--innodb-buffer-pool-size=128M",
            # What a killed server had committed is there again; only the machine may not fail.
            "--innodb-flush-log-at-trx-commit=2",
            *self.options,
            *options,
        ]
        self.launch(command, self._answers)

    def _answers(self):
        import pymysql

        with contextlib.suppress(pymysql.err.Error):
            pymysql.connect(
                host="127.0.0.1",
                port=self.port,
                user=self.user_name,
                password=self.password,
                connect_timeout=2,
            ).close()
            return True
        return False

    def kill(self):
        """Ends it at once, as a crash would."""
        self.end(signal.SIGKILL)

    def stop(self):
        """Ends it for good."""
        self.end(signal.SIGKILL)
        self.remove()

    @property
    def address(self):
        return f"mysql://{self.user_name}:{self.password}@127.0.0.1:{self.port}"


class PrivateMariaDB(PrivateServer):
    """MariaDB."""

    @staticmethod
    def find():
        """The path of the server, if there is one."""
        return program("mariadbd", "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/opt/mariadb*/bin")

    def initialize(self):
        if self.find() is None:
            raise RuntimeError(missing("MariaDB", "LODESTORE_TEST_MARIADB"))
        install = program("mariadb-install-db", "/usr/bin")
        command = [install, "--no-defaults", f"--datadir={self.data}", "--skip-test-db"]
        self.run(*command, "--auth-root-authentication-method=normal")

    def program(self):
        return [self.find(), "--no-defaults", "--collation-server=utf8mb4_bin"]


class PrivateMySQL(PrivateServer):
    """MySQL."""

    @staticmethod
    def find():
        """The command that runs the server, if there is one: Debian's brings its own loader and libraries."""
        installed = program("mysqld", "/usr/sbin", "/usr/local/mysql/bin")
        if (
            installed
            and "MariaDB"
            not in subprocess.run([installed, "--version"], capture_output=True, text=True).stdout
        ):
            return [installed, "--no-defaults"]
        root = CACHE / "mysql"
        if not (root / "usr/sbin/mysqld").exists():
            return None
        libraries = next(root.glob("usr/lib/*-linux-gnu"))
        loader = next(libraries.glob("ld-linux-*"))
        messages = f"--lc-messages-dir={root / 'usr/share/mysql'}"
        return [loader, "--library-path", libraries, root / "usr/sbin/mysqld", "--no-defaults", messages]

    def initialize(self):
        if self.find() is None:
            raise RuntimeError(missing("MySQL", "LODESTORE_TEST_MYSQL"))
        self.run(*self.find(), "--initialize-insecure", "--secure-file-priv=", f"--datadir={self.data}")

    def program(self):
        return [
            *self.find(),
            "--mysqlx=OFF",
            "--disable-log-bin",
            "--secure-file-priv=",
            "--collation-server=utf8mb4_bin",
        ]


def missing(name, variable):
    return (
        f"there is no {name}: run `python -m tests.services install`, name a running server by {variable}, or leave it "
        "out of LODESTORE_TEST_DATABASES"
    )


def unpack_mysql():
    """Unpacks Debian's MySQL, which its stable releases do not have, beside the system; says whether that worked.

    A package manager's state of its own is made, so that nothing of the system changes.
    """
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return False
    state = CACHE / "apt"
    for folder in ("etc/preferences.d", "etc/sources.list.d", "lists/partial", "archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    mirror = _mirror()
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (state / "etc/sources.list").write_text(f"deb [signed-by={keys}] {mirror} sid main\n")
    configuration = state / "apt.conf"
    configuration.write_text(
        f'Dir::Etc "{state}/etc";\nDir::Etc::parts "/etc/apt/apt.conf.d";\nDir::State "{state}";\n'
        f'Dir::State::Lists "{state}/lists";\nDir::State::status "{state}/status";\nDir::Cache "{state}";\n'
        f'Dir::Cache::archives "{state}/archives";\nAPT::Sandbox::User "root";\n'
    )
    environment = {**os.environ, "APT_CONFIG": str(configuration), "DEBIAN_FRONTEND": "noninteractive"}
    download = [
        "apt-get",
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
        "--download-only",
        "mysql-server-core",
    ]
    for command in (["apt-get", "update", "-qq"], download):
        if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode:
            return False
    root = CACHE / f"mysql-{os.getpid()}"
    for package in sorted((state / "archives").glob("*.deb")):
        if "perl" not in package.name:
            subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    with contextlib.suppress(OSError):
        root.rename(CACHE / "mysql")
    shutil.rmtree(state, ignore_errors=True)
    shutil.rmtree(root, ignore_errors=True)
    return PrivateMySQL.find() is not None


def _mirror():
    """The mirror from which this system takes Debian's packages."""
    asked = ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(REPO_URI)"]
    told = subprocess.run(asked, capture_output=True, text=True).stdout.splitlines()
    mirrors = [line.split("|")[1] for line in told if line.startswith("Debian|") and "security" not in line]
    return mirrors[0] if mirrors else "http://deb.debian.org/debian"


class MariaDB:
    """Databases on a private server, or on the one that is named. Those that tests make are dropped after them."""

    name = "mariadb"
    has_index_on_paths = False
    private = PrivateMariaDB
    #: What text is called in a cast.
    text = "CHAR"
    #: Asks whether this connection is encrypted.
    asks_encryption = "SELECT COUNT(*) FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher' AND variable_value <> ''"

    def __init__(self, private=False, options=()):
        named = None if private else os.environ.get(f"LODESTORE_TEST_{self.name.upper()}")
        self.server = None if named else self.private(*options)
        self.address = named or self.server.address
        self._admin = None
        self._there = set(self._databases())

    @staticmethod
    def install():
        """Installs a server if there is none."""
        if PrivateMariaDB.find() is None and not apt_install("mariadb-server-core", "mariadb-client-core"):
            raise RuntimeError("MariaDB cannot be installed here: name a server by LODESTORE_TEST_MARIADB")

    def connect(self, **options):
        """A connection of PyMySQL's, each statement committed by itself."""
        import pymysql

        return pymysql.connect(**self.parts, autocommit=True, charset="utf8mb4", **options)

    @property
    def parts(self):
        """Host, port, user and password, as `dj.Instance` takes them."""
        url = urlsplit(self.address)
        return {
            "host": url.hostname,
            "port": url.port or 3306,
            "user": unquote(url.username or ""),
            "password": unquote(url.password or ""),
        }

    @property
    def settings(self):
        """What `dj.Instance` needs to work there."""
        return {**self.parts, "backend": "mysql"}

    def environment(self, project):
        """The environment in which another process finds the project of its own accord."""
        parts = self.parts
        return {
            **os.environ,
            "DJ_STORES": json.dumps(project.config._core.get("stores")),
            "DJ_BACKEND": "mysql",
            "DJ_HOST": parts["host"],
            "DJ_PORT": str(parts["port"]),
            "DJ_USER": parts["user"],
            "DJ_PASS": parts["password"],
        }

    @property
    def url(self):
        """The server in one line."""
        parts = {name: quote(str(part), safe="") for name, part in self.parts.items()}
        return "mysql://{user}:{password}@{host}:{port}".format(**parts)

    def open(self, folder):
        """A project on the server, with a store `main` in a folder."""
        location = Path(folder) / "objects"
        location.mkdir(parents=True, exist_ok=True)
        stores = {"default": "main", "main": {"protocol": "file", "location": str(location)}}
        return dj.Instance(**self.settings, stores=stores)

    def table(self, schema, table):
        """The quoted name of a table."""
        return f"`{schema}`.`{table}`"

    def execute(self, project, sql, parameters=()):
        """Runs a statement behind Lodestore's back; gives its rows."""
        return self._run(sql, parameters)

    def clean(self):
        """Drops all databases that were not there at the beginning."""
        made = set(self._databases()) - self._there
        if made:
            self._run("SET foreign_key_checks = 0")
        for name in made:
            quoted = name.replace("`", "``")
            self._run(f"DROP DATABASE `{quoted}`")

    def _databases(self):
        return [name for (name,) in self._run("SELECT schema_name FROM information_schema.schemata")]

    def kill(self):
        """Ends the server at once, as a crash would."""
        self._forget()
        self.server.kill()

    def start(self):
        """Starts the server again."""
        self.server.start()

    def sleep(self, seconds):
        """A condition that takes so long for each row."""
        return f"sleep({seconds}) = 0"

    def running(self):
        """The statements that other connections are at."""
        sql = (
            "SELECT info FROM information_schema.processlist WHERE info IS NOT NULL AND id <> CONNECTION_ID()"
        )
        return [info for (info,) in self._run(sql)]

    @contextlib.contextmanager
    def lock(self, schema, table):
        """A context in which nobody else can write to a table."""
        connection = self.connect()
        connection.cursor().execute(f"LOCK TABLES {self.table(schema, table)} READ")
        try:
            yield connection
        finally:
            if connection.open:
                connection.close()

    @staticmethod
    def tls_options(certificate, key):
        """What a private server is started with to offer encryption."""
        return f"--ssl-cert={certificate}", f"--ssl-key={key}"

    @contextlib.contextmanager
    def stalled_commits(self):
        """A context in which commits wait and take no effect."""
        connection = self.connect()
        connection.cursor().execute("FLUSH TABLES WITH READ LOCK")
        try:
            yield
        finally:
            if connection.open:
                connection.close()

    def _forget(self):
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def _run(self, sql, parameters=None):
        if self._admin is None:
            self._admin = self.connect()
        with self._admin.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def stop(self):
        """Stops the server if it is private."""
        self._forget()
        if self.server:
            self.server.stop()


class MySQL(MariaDB):
    """The same on MySQL."""

    name = "mysql"
    private = PrivateMySQL
    asks_encryption = MariaDB.asks_encryption.replace("information_schema", "performance_schema")

    @staticmethod
    def install():
        """Unpacks a server if there is none."""
        if PrivateMySQL.find() is None and not unpack_mysql():
            raise RuntimeError("MySQL cannot be unpacked here: name a server by LODESTORE_TEST_MYSQL")
