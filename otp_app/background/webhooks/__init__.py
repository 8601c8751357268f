"""Events, told to a receiver of the operator in the form of Standard Webhooks."""
