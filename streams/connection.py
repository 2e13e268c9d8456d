"""How every client of Kafka connects: the same address, encryption and account for all of them."""

from typing import Any

from models.settings import KafkaSecurity, Settings


def confluent(settings: Settings) -> dict[str, Any]:
    """The settings of confluent-kafka's clients."""
    config: dict[str, Any] = {
        "bootstrap.servers": settings.required_kafka(),
        "security.protocol": settings.kafka_security.value,
        "socket.keepalive.enable": True,
        # A broker that is away is our business to say, once, and not librdkafka's on standard error.
        "log_level": 2,
    }
    if settings.kafka_ca:
        config["ssl.ca.location"] = str(settings.kafka_ca)
    if settings.kafka_security is KafkaSecurity.SASL_SSL:
        config |= {
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": settings.kafka_user or "",
            "sasl.password": str(settings.kafka_password or ""),
        }
    return config


def kafka_python(settings: Settings) -> dict[str, Any]:
    """The settings of kafka-python's clients."""
    config: dict[str, Any] = {
        "bootstrap_servers": settings.required_kafka().split(","),
        "security_protocol": settings.kafka_security.value.upper(),
    }
    if settings.kafka_ca:
        config["ssl_cafile"] = str(settings.kafka_ca)
    if settings.kafka_security is KafkaSecurity.SASL_SSL:
        config |= {
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": settings.kafka_user,
            "sasl_plain_password": str(settings.kafka_password or ""),
        }
    return config
