#!/bin/sh
# Prefect's server in a container: it takes secrets from its environment alone, and here they lie in files.
set -eu
PREFECT_SERVER_API_AUTH_STRING=$(cat "${SECRETS_FOLDER:-/run/secrets}/prefect_auth")
PREFECT_API_AUTH_STRING=$PREFECT_SERVER_API_AUTH_STRING
PREFECT_API_DATABASE_CONNECTION_URL=$(cat "${SECRETS_FOLDER:-/run/secrets}/prefect_database_url")
export PREFECT_SERVER_API_AUTH_STRING PREFECT_API_AUTH_STRING PREFECT_API_DATABASE_CONNECTION_URL
exec python -m prefect "$@"
