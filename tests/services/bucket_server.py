"""A small server of objects in memory: ``python bucket_server.py [--hollow] PORT``.

It speaks the protocol of Google Cloud Storage, and of Amazon's S3 what is the same but for the names of headers. It knows what an object store needs: objects with generations and metadata, conditional writes, ranges,
copies, uploads in parts, and listings by page, prefix and delimiter. Every bucket exists but ``missing``.
A hollow one keeps only the beginning of each object and tells zeros for the rest: it can hold terabytes of them.
"""

import email.utils
import hashlib
import itertools
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

PAGE = 1000
HOLLOW = "--hollow" in sys.argv
#: So much of an object a hollow server keeps.
KEPT = 4096


class Content:
    """The bytes of an object or a part, or what a hollow server keeps of them."""

    def __init__(self, content):
        self.size = len(content)
        self.kept = content[:KEPT] if HOLLOW else content

    def __len__(self):
        return self.size

    def read(self, start, end):
        """A part of it."""
        part = self.kept[start:end]
        return part + bytes(end - start - len(part))

    @staticmethod
    def joined(parts):
        """Several, one behind the other."""
        whole = Content(b"".join(part.kept for part in parts) if not HOLLOW else parts[0].kept)
        whole.size = sum(part.size for part in parts)
        return whole


#: Greater with each object, and with each start.
GENERATIONS = itertools.count(time.time_ns() // 1000)


class Stored:
    """An object."""

    def __init__(self, content, metadata):
        self.content = content
        self.metadata = metadata
        self.etag = '"' + hashlib.md5(content.kept).hexdigest() + '"'
        self.generation = str(next(GENERATIONS))
        self.modified = time.time()


class Server(ThreadingHTTPServer):
    """The objects of all buckets."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port):
        super().__init__(("127.0.0.1", port), Handler)
        self.lock = threading.Lock()
        self.objects = {}
        self.uploads = {}
        self.writing = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", headers.get("length", str(len(body))))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code):
        self.answer(status, f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>")

    def handle_any(self):
        url = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        bucket, _, key = url.path.lstrip("/").partition("/")
        self.key = (unquote(bucket), unquote(key))
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if bucket == "missing":
            return self.refuse(404, "NoSuchBucket")
        with self.server.lock:
            getattr(self, f"handle_{self.command.lower()}")()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def metadata(self):
        return {
            name: value
            for name, value in self.headers.items()
            if name.lower().startswith(("x-goog-meta-", "x-amz-meta-"))
        }

    def write(self, content, metadata):
        """Stores the object if the condition holds."""
        generation, tag = self.headers.get("x-goog-if-generation-match"), self.headers.get("If-Match")
        is_new = generation == "0" or self.headers.get("If-None-Match") == "*"
        with self.server.writing:
            there = self.server.objects.get(self.key)
            holds = not (is_new and there)
            if generation not in (None, "0"):
                holds = there is not None and there.generation == generation
            if tag is not None:
                holds = holds and there is not None and there.etag == tag
            if holds:
                stored = self.server.objects[self.key] = Stored(content, metadata)
                return stored
        self.refuse(412, "PreconditionFailed")
        return None

    def handle_put(self):
        if "uploadId" in self.query:
            upload = self.server.uploads.get(self.query["uploadId"])
            if upload is None:
                return self.refuse(404, "NoSuchUpload")
            upload["parts"][int(self.query["partNumber"])] = Content(self.body)
            return self.answer(200, ETag='"' + hashlib.md5(self.body).hexdigest() + '"')
        content, metadata = Content(self.body), self.metadata()
        source = self.headers.get("x-goog-copy-source") or self.headers.get("x-amz-copy-source")
        if source:
            bucket, _, key = unquote(source).lstrip("/").partition("/")
            found = self.server.objects.get((bucket, key))
            if found is None:
                return self.refuse(404, "NoSuchKey")
            content, metadata = found.content, found.metadata
        stored = self.write(content, metadata)
        if stored:
            self.answer(200, ETag=stored.etag, x_goog_generation=stored.generation)

    def handle_post(self):
        if "delete" in self.query:
            for item in ElementTree.fromstring(self.body).findall(".//{*}Key"):
                self.server.objects.pop((self.key[0], item.text), None)
            return self.answer(200, "<DeleteResult></DeleteResult>")
        if "uploads" in self.query:
            name = uuid.uuid4().hex
            self.server.uploads[name] = {"metadata": self.metadata(), "parts": {}}
            body = (
                f"<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>"
            )
            return self.answer(200, body)
        upload = self.server.uploads.pop(self.query.get("uploadId"), None)
        if upload is None:
            return self.refuse(404, "NoSuchUpload")
        wanted = [int(item.text) for item in ElementTree.fromstring(self.body).findall(".//{*}PartNumber")]
        content = Content.joined([upload["parts"][number] for number in wanted])
        stored = self.write(content, upload["metadata"])
        if stored:
            body = f"<CompleteMultipartUploadResult><ETag>{escape(stored.etag)}</ETag></CompleteMultipartUploadResult>"
            self.answer(200, body, x_goog_generation=stored.generation)

    def handle_delete(self):
        if "uploadId" in self.query:
            self.server.uploads.pop(self.query["uploadId"], None)
        elif self.server.objects.pop(self.key, None) is None:
            return self.refuse(404, "NoSuchKey")
        self.answer(204)

    def handle_head(self):
        self.handle_get()

    def handle_get(self):
        if not self.key[1]:
            return self.list()
        stored = self.server.objects.get(self.key)
        if stored is None:
            return self.refuse(404, "NoSuchKey")
        if self.headers.get("If-Match", stored.etag) != stored.etag:
            return self.refuse(412, "PreconditionFailed")
        headers = {
            **stored.metadata,
            "ETag": stored.etag,
            "Last_Modified": email.utils.formatdate(stored.modified, usegmt=True),
            "x_goog_generation": stored.generation,
        }
        wanted = self.headers.get("Range")
        size = len(stored.content)
        if not wanted:
            return self.answer(200, stored.content.read(0, size), **headers)
        start, _, end = wanted.removeprefix("bytes=").partition("-")
        start, end = int(start), min(int(end or size), size - 1)
        if start >= size:
            return self.refuse(416, "InvalidRange")
        part = stored.content.read(start, end + 1)
        self.answer(206, part, Content_Range=f"bytes {start}-{end}/{size}", **headers)

    def list(self):
        prefix, delimiter = self.query.get("prefix", ""), self.query.get("delimiter")
        after = self.query.get("continuation-token") or self.query.get("start-after", "")
        keys = sorted(key for bucket, key in self.server.objects if bucket == self.key[0])
        found, folders, token = [], [], None
        for key in keys:
            if not key.startswith(prefix) or (folders and key.startswith(folders[-1])) or key <= after:
                continue
            inner = key[len(prefix) :]
            folder = (
                prefix + inner.partition(delimiter)[0] + delimiter
                if delimiter and delimiter in inner
                else None
            )
            if folder and folder <= after:
                continue
            if len(found) + len(folders) == PAGE:
                token = (
                    found[-1][0] if found and not (folders and folders[-1] > found[-1][0]) else folders[-1]
                )
                break
            if folder:
                folders.append(folder)
            else:
                found.append((key, self.server.objects[self.key[0], key]))
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(stored.content)}</Size>"
            f"<LastModified>{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(stored.modified))}.000Z</LastModified>"
            f"<ETag>{escape(stored.etag)}</ETag></Contents>"
            for key, stored in found
        )
        prefixes = "".join(
            f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in folders
        )
        more = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>" if token else ""
        self.answer(200, f"<ListBucketResult>{contents}{prefixes}{more}</ListBucketResult>")


if __name__ == "__main__":
    Server(int(sys.argv[-1])).serve_forever()
