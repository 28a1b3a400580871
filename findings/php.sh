# What the findings on PHP share: a temporary folder, and PHP's own server in it. PHP is the machine's (Debian's php-cli and php-curl).
set -euo pipefail
work=$(mktemp -d)
running=
trap '[ -z "$running" ] || kill "$running" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
php -r 'extension_loaded("curl") || exit("php-curl is missing\n"); echo "PHP ", PHP_VERSION, ", curl ", curl_version()["version"], "\n";'

# serve SCRIPT [OPTION…]: PHP answers 127.0.0.1:$port by this script.
serve() {
  local script=$1
  shift
  php "$@" -S "127.0.0.1:$port" "$script" 2>server.log &
  running=$!
  until curl -so /dev/null "127.0.0.1:$port"; do sleep 0.1; done
}
