#!/bin/sh
# Makes postgres:17 out of debian:bookworm-slim and npm's build of PostgreSQL 17.
# Usage: make-postgres.sh FOLDER [IMAGE]    (the folder with bin/, lib/ and share/)
set -eu
native=$1
image=${2:-postgres:17}
docker image inspect "$image" >/dev/null 2>&1 && exit 0
here=$(cd "$(dirname "$0")" && pwd)

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp "$here"/postgres/* "$context"
cp -a "$native" "$context/native"
chmod -R a+rX "$context/native"
DOCKER_BUILDKIT=1 docker build -q -t "$image" "$context" >/dev/null
