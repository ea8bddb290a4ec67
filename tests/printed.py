"""A watch over all that the tests print: no secret may be in it, nor in any error.

Every error of Lodestore passes `lodestore.errors._classify`, and what a test writes to stdout, stderr
and logs is in its report. Both are searched for the passwords and keys of the tests' own servers, and
for the words that tests use as secrets.
"""

from urllib.parse import unquote, urlsplit

import services
from lodestore import errors

#: What tests write where a secret belongs.
WORDS = frozenset(["s3cret"])


def known_secrets():
    """The words, and the keys and passwords of the servers that run."""
    found = set(WORDS)
    for server in list(services._started.values()):
        if server.address:
            url = urlsplit(server.address)
            found |= {secret for secret in (url.password, unquote(url.password or "")) if secret}
    return found


def leaked(text, secrets):
    """The secrets that a text tells."""
    return sorted(secret for secret in secrets if secret in text)


class Watch:
    """A plug-in of pytest that fails the run if a secret was told."""

    def __init__(self):
        self.leaks = {}
        self._errors = []
        self._classify = errors._classify
        errors._classify = self._watched

    def _watched(self, kind, message, hint, context):
        made = self._classify(kind, message, hint, context)
        notes = " ".join(getattr(made, "__notes__", []))
        self._errors.append(f"{made!r} {made} {notes} {message} {hint} {context}")
        return made

    def pytest_runtest_logreport(self, report):
        told = [text for _, text in report.sections] + self._errors
        self._errors = []
        for secret in leaked("\n".join(told), known_secrets()):
            # What a test printed is told again with its teardown.
            self.leaks[report.nodeid, secret[:3]] = True

    def pytest_sessionfinish(self, session, exitstatus):
        if self.leaks and exitstatus == 0:
            session.exitstatus = 1

    def pytest_terminal_summary(self, terminalreporter):
        for test, beginning in self.leaks:
            terminalreporter.write_line(f"a secret ({beginning}...) was told in {test}", red=True)
