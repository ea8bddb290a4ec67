"""What `Table.validate` finds."""

from dataclasses import dataclass, field

from . import _lodestore

#: So many faults are told in a summary.
_TOLD = 10


@dataclass(frozen=True)
class ValidationResult:
    """Whether rows could be inserted; true if they could.

    - `is_valid`: true if nothing is wrong;
    - `errors`: number of the row, attribute or None, and what is wrong, for each fault;
    - `rows_checked`: how many rows were looked at.
    """

    is_valid: bool
    errors: list = field(default_factory=list)
    rows_checked: int = 0

    def __bool__(self):
        return self.is_valid

    def summary(self):
        """The first faults as text, and how many more there are."""
        if self.is_valid:
            return f"Validation passed: {self.rows_checked} rows checked"
        lines = [f"Validation failed: {len(self.errors)} error(s) in {self.rows_checked} rows"]
        for row, attribute, text in self.errors[:_TOLD]:
            place = f"Row {row}" if attribute is None else f"Row {row} in field '{attribute}'"
            lines.append(f"  {place}: {text}")
        if len(self.errors) > _TOLD:
            lines.append(f"  ... and {len(self.errors) - _TOLD} more errors")
        return "\n".join(lines)

    def raise_if_invalid(self):
        """Raises `DataJointError` with the summary if something is wrong."""
        if not self.is_valid:
            raise _lodestore.error("invalid-value", self.summary())
