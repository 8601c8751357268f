"""Notifications: messages without a code, of the operator's templates. docs/notifications.md has every field."""
