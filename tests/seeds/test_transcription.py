"""`pages/` against the documents themselves: the same blocks, with the same text.

Runs only where ``LODESTORE_SEEDS`` names the folder that holds the documents.
"""

import os
import re
from pathlib import Path

import pytest
from world import blocks

FOLDER = os.environ.get("LODESTORE_SEEDS")
DOCUMENTS = {
    "choose": "choose-a-storage-type.md",
    "configure": "configure-object-stores.md",
    "overview": "object-storage-overview.md",
    "use": "use-object-storage.md",
}
#: What shows that a line is code, in a document that does not fence its code in.
CODE = re.compile(
    r'^\s*(@schema|class \w+\(|import |definition = |"\w+":|\w+ : <|for .*:$|\w+ = |\w+\.insert)'
)

pytestmark = pytest.mark.skipif(not FOLDER, reason="LODESTORE_SEEDS names no folder with the documents")


def document(page):
    return (Path(FOLDER) / DOCUMENTS[page]).read_text(encoding="utf-8")


def plain(text):
    """Text without the blanks that end its lines."""
    return re.sub(r"[ \t]+$", "", text, flags=re.M).strip("\n")


@pytest.mark.parametrize("page", ["overview", "use"])
def test_fenced_blocks(page):
    fenced = re.findall(r"^```(?:python|json)\n(.*?)^```", document(page), flags=re.M | re.S)
    assert [plain(code) for code in fenced] == [plain(code) for code in blocks(page).values()]


@pytest.mark.parametrize("page", ["choose", "configure"])
def test_blocks_that_are_not_fenced(page):
    rest, at = plain(document(page)), 0
    for name, code in blocks(page).items():
        found = rest.find(plain(code) + "\n", at)
        assert found >= 0, f"the block {name} is not in the document, or not in its place"
        rest, at = rest[:found] + rest[found + len(plain(code)) :], found
    assert not [line for line in rest.splitlines() if CODE.match(line)]
