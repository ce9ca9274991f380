"""${message}.

Rules for every revision (they are checked or enforced where that can be done):

- It suits the *previous* release, which goes on running while this one is rolled out. So a column or table is
  added now, used by the next release, and dropped by the one after that has stopped naming it.
- NOT NULL arrives in three steps, in three releases: add the column nullable and write it; fill the old rows
  in batches by a job; then ``ADD CONSTRAINT ... CHECK (... IS NOT NULL) NOT VALID``, ``VALIDATE CONSTRAINT``,
  ``SET NOT NULL``, and drop the check.
- A rename is an addition and, two releases later, a removal.
- lock_timeout is 4 s and statement_timeout 60 s. A revision that needs more is cut into several, or becomes a
  job. Foreign keys and checks on filled tables come as ``NOT VALID`` and are validated by a later revision.
- One revision, one transaction. An index on a filled table is made CONCURRENTLY, in a revision of its own,
  inside ``with op.get_context().autocommit_block():``.
- New tables need their grants in ``roles.sql``; nobody may use them until they stand there.
- A released revision is never changed, and there is no way down: go forward by another revision.

Revision: ${up_revision}
Follows: ${(down_revision or 'nothing') | comma,n}
Created: ${create_date.date()}
"""
# ruff: noqa: E501 -- what is generated stands as it was generated

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    """Bring the schema from the revision before to this one."""
    ${upgrades if upgrades else "pass"}
