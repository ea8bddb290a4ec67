"""Runs moto's S3: ``python s3_server.py PORT``.

moto answers requests on many threads and does not lock what they change, so that of two conditional
writes at once both may win. Real servers promise that one does: so one request is answered at a time,
once its body has arrived.
"""

import io
import logging
import sys
import threading

from moto.server import create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class OneByOne:
    """An application that answers one request at a time."""

    def __init__(self, application):
        self.application = application
        self.lock = threading.Lock()

    def __call__(self, environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length and "HTTP_TRANSFER_ENCODING" not in environ:
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
        with self.lock:
            return self.application(environ, start_response)


class Handler(WSGIRequestHandler):
    """Keeps connections open, and quiet."""

    protocol_version = "HTTP/1.1"
    # An answer is written in pieces: they are not to wait for each other's acknowledgement.
    disable_nagle_algorithm = True

    def log_request(self, *_):
        pass


if __name__ == "__main__":
    logging.disable(logging.INFO)
    application = OneByOne(create_backend_app("s3"))
    make_server(
        "127.0.0.1", int(sys.argv[1]), application, threaded=True, request_handler=Handler
    ).serve_forever()
