"""What Alembic runs: the migrations, on the connection that otp_app.accounts.migrating hands over."""

from alembic import context

from otp_app.accounts.tables import VERSIONS, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSIONS
)
context.run_migrations()
