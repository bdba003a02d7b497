"""The guide to questions has each statement as it runs."""

from pathlib import Path

import pytest

from pipelines.statements import FOLDER

GUIDE = Path(__file__).parents[2] / "docs" / "queries.md"


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.sql")), ids=lambda file: file.stem)
def test_the_guide_has_each_statement_word_for_word(file):
    assert f"```sql\n{file.read_text().rstrip()}\n```" in GUIDE.read_text()
