"""Private servers of objects: moto for S3, Azurite for Azure, a small one of our own for Google Cloud Storage."""

import contextlib
import http.client
import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from .mysql import CACHE
from .process import Process

#: What azurite's account is called, and its key, which everybody knows.
AZURITE = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
)
HERE = Path(__file__).parent


class ObjectServer(Process):
    """A server that answers HTTP."""

    def __init__(self, *command):
        super().__init__()
        self.user = None
        self.launch([*map(str, command), str(self.port)], self._answers)

    def _answers(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            connection.request("GET", "/-/counts")
            connection.getresponse().read()
            return True
        return False

    def stop(self):
        """Ends it for good."""
        self.end(signal.SIGKILL)
        self.remove()


class Proxy(ObjectServer):
    """A failing network before a server; see `proxy_server`."""

    def __init__(self, target):
        self.target = target
        super().__init__(sys.executable, HERE / "proxy_server.py")

    def launch(self, command, is_ready):
        super().launch([*command, str(self.target)], is_ready)

    def _ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())

    def fail(self, **faults):
        """Sets what goes wrong from now on; without arguments nothing does."""
        self._ask("PUT", "/-/faults", json.dumps(faults).encode())

    def counts(self):
        """How many requests there were of each method, and faults of each kind."""
        return self._ask("GET", "/-/counts")

    def forget(self):
        """Counts from zero."""
        self._ask("DELETE", "/-/counts")


class Files:
    """Stores in folders."""

    name = "file"
    address = None

    @staticmethod
    def install():
        """Nothing is missing."""

    def settings(self, folder):
        """The settings of a fresh store."""
        location = Path(folder) / f"objects-{secrets.token_hex(4)}"
        location.mkdir()
        return {"protocol": "file", "location": str(location)}

    def stop(self):
        """Nothing runs."""


class Emulated:
    """Stores on a private server, or on the one that is named by a URL: `http://name:key@host:port/bucket`."""

    def __init__(self):
        named = os.environ.get(f"LODESTORE_TEST_{self.name.upper()}")
        self.server = None if named else self.start()
        self.address = named or self.private_address()
        if self.server:
            self.prepare()

    @property
    def port(self):
        """The port on which the server listens."""
        return urlsplit(self.address).port

    @property
    def url(self):
        """The URL that names the server."""
        return self.address

    def parts(self):
        """Endpoint, name, key and bucket."""
        url = urlsplit(self.address)
        endpoint = f"{url.scheme}://{url.hostname}:{url.port}"
        return endpoint, unquote(url.username or ""), unquote(url.password or ""), url.path.strip("/")

    def prepare(self):
        """Makes the bucket."""

    def stop(self):
        """Ends the server."""
        if self.server:
            self.server.stop()


class S3(Emulated):
    """Amazon's protocol."""

    name = "s3"

    @staticmethod
    def install():
        """Installs moto if it is not there."""
        if importlib.util.find_spec("moto") is None:
            command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
            subprocess.run([*command, "moto[s3]>=5", "flask", "flask-cors"], check=True)

    def start(self):
        return ObjectServer(sys.executable, HERE / "s3_server.py")

    def private_address(self):
        return f"http://key-{secrets.token_hex(8)}:{secrets.token_hex(16)}@127.0.0.1:{self.server.port}/lodestore-tests"

    def prepare(self):
        endpoint, _, _, bucket = self.parts()
        request = urllib.request.Request(
            f"{endpoint}/{bucket}", method="PUT", headers={"Host": "s3.amazonaws.com"}
        )
        request.add_unredirected_header(
            "Authorization", "AWS4-HMAC-SHA256 Credential=x/20200101/us-east-1/s3/aws4"
        )
        urllib.request.urlopen(request).close()

    def settings(self, folder=None, port=None):
        """The settings of a fresh store, reached by another port (a proxy's) if one is given."""
        endpoint, access_key, secret_key, bucket = self.parts()
        return {
            "protocol": "s3",
            "endpoint": f"http://127.0.0.1:{port}" if port else endpoint,
            "bucket": bucket,
            "location": f"store-{secrets.token_hex(4)}",
            "access_key": access_key,
            "secret_key": secret_key,
        }


class GCS(Emulated):
    """Google's protocol."""

    name = "gcs"

    @staticmethod
    def install():
        """Nothing is missing."""

    def start(self):
        return ObjectServer(sys.executable, HERE / "bucket_server.py")

    def private_address(self):
        return f"http://127.0.0.1:{self.server.port}/lodestore-tests"

    def settings(self, folder=None, port=None):
        """The settings of a fresh store, reached by another port (a proxy's) if one is given."""
        endpoint, _, _, bucket = self.parts()
        return {
            "protocol": "gcs",
            "endpoint": f"http://127.0.0.1:{port}" if port else endpoint,
            "bucket": bucket,
            "location": f"store-{secrets.token_hex(4)}",
            "token": "anon",
        }


class Azure(Emulated):
    """Azure's protocol."""

    name = "azure"
    program = CACHE / "azurite/node_modules/.bin/azurite-blob"

    @classmethod
    def install(cls):
        """Installs Azurite if it is not there."""
        if not cls.program.exists():
            if not shutil.which("npm"):
                raise RuntimeError(
                    "Azurite needs node and npm: install them, or name a server by LODESTORE_TEST_AZURE"
                )
            root = CACHE / "azurite"
            root.mkdir(parents=True, exist_ok=True)
            command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", root, "azurite@3"]
            subprocess.run(command, check=True)

    def start(self):
        if not self.program.exists():
            raise RuntimeError("there is no Azurite: run `python -m tests.services install`")
        options = ["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        return ObjectServer(self.program, *options, "--blobPort")

    def private_address(self):
        name, key = AZURITE
        return f"http://{name}:{quote(key, safe='')}@127.0.0.1:{self.server.port}/lodestore-tests"

    def prepare(self):
        make_container(*self.parts())

    def settings(self, folder=None, port=None):
        """The settings of a fresh store, reached by another port (a proxy's) if one is given."""
        endpoint, name, key, container = self.parts()
        endpoint = f"http://127.0.0.1:{port}" if port else endpoint
        return {
            "protocol": "azure",
            "endpoint": f"{endpoint}/{name}",
            "container": container,
            "location": f"store-{secrets.token_hex(4)}",
            "account_name": name,
            "account_key": key,
        }


def make_container(endpoint, name, key, container):
    """Makes a container of Azure, by a request that is signed as Azure wants it."""
    import base64
    import hashlib
    import hmac
    from email.utils import formatdate

    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    told = "".join(f"{header}:{value}\n" for header, value in sorted(headers.items()))
    # On an emulator the account stands in the path, and so twice in what is signed.
    signed = f"PUT{chr(10) * 12}{told}/{name}/{name}/{container}\nrestype:container"
    signature = hmac.new(base64.b64decode(key), signed.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {name}:{base64.b64encode(signature).decode()}"
    url = f"{endpoint}/{name}/{container}?restype=container"
    urllib.request.urlopen(urllib.request.Request(url, method="PUT", headers=headers)).close()


KINDS = {"file": Files, "s3": S3, "gcs": GCS, "azure": Azure}
