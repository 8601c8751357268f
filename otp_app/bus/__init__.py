"""RabbitMQ between servers and workers. Only what OTP_AMQP_URL is set for imports it; it needs requirements-amqp.txt.

No part of a message is trusted: a message is of anybody who may publish at the broker.
"""
