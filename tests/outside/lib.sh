# What the scripts beside this file share: a site on a real server, the simulator, and the connector between them, each a
# process of its own in a temporary folder. Sourced by them, after `binary` is set. Needs PostgreSQL's client programs,
# curl and, for programs that are not installed, apt-get (they are unpacked into a cache, nothing is installed).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=$(realpath "${binary:-$root/target/debug/deskie-cdc}")
work=$(mktemp -d)
chmod 755 "$work"
mkdir "$work/process"
failed=0

finish() {
  local status=$? name
  set +e
  for name in $(ls "$work/process"); do stop "$name" KILL; done
  [ "$status" = 0 ] || tail -n 5 "$work"/*.log | cut -c1-300
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT

# start NAME COMMAND…: in the background; what it says is in $work/NAME.log.
start() {
  local name=$1
  shift
  "$@" >>"$work/$name.log" 2>&1 &
  echo $! >"$work/process/$name"
}

# stop NAME [SIGNAL]: and wait until it is gone. A step is a shell of its own, so it need not be this shell's child.
stop() {
  local pid
  pid=$(cat "$work/process/$1" 2>/dev/null) || return 0
  rm "$work/process/$1"
  kill -"${2:-TERM}" "$pid" 2>/dev/null || return 0
  wait "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
}

# until_true WHAT COMMAND…: for a minute at most.
until_true() {
  local what=$1 _
  shift
  for _ in $(seq 300); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.2
  done
  echo "not within a minute: $what" >&2
  return 1
}

# step WHAT COMMAND…: one line; all steps are run.
step() {
  local what=$1 begun=$SECONDS status
  shift
  set +e
  (trap - EXIT; set -e; "$@") >"$work/step" 2>&1
  status=$?
  set -e
  if [ "$status" = 0 ]; then echo "ok    $what ($((SECONDS - begun)) s)"; return; fi
  echo "FAIL  $what"
  sed 's/^/      /' "$work/step" | tail -n 30
  failed=$((failed + 1))
}

end() {
  [ "$failed" = 0 ] || { echo "$failed failed"; exit 1; }
  echo "all passed in $SECONDS s"
}

equals() { [ "$1" = "$2" ] || { echo "is: $1"; echo "should be: $2"; return 1; }; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# debian PROGRAM PACKAGE…: the path of a program of Debian's, which is fetched where it is not installed.
debian() {
  local program=$1 cache=${XDG_CACHE_HOME:-$HOME/.cache}/deskie-cdc-ci/debian found
  shift
  if command -v "$program"; then return; fi
  found=$(find "$cache" -path "*bin/$program" -type f 2>/dev/null | head -1)
  if [ -z "$found" ]; then
    mkdir -p "$cache/packages"
    (cd "$cache/packages" && apt-get download -qq "$@" >/dev/null && for package in *.deb; do dpkg-deb -x "$package" "$cache"; done)
    found=$(find "$cache" -path "*bin/$program" -type f | head -1)
  fi
  [ -n "$found" ] && echo "$found"
}

# unpacked FOLDER PACKAGE…: a folder with what these packages of Debian's hold, open to whatever user; nothing is installed.
unpacked() {
  local name=$1 cache=${XDG_CACHE_HOME:-$HOME/.cache}/deskie-cdc-ci/debian-$1 package
  shift
  if [ ! -e "$cache/complete" ]; then
    rm -rf "$cache"
    mkdir -p "$cache/packages"
    (cd "$cache/packages" && apt-get download -qq "$@" >/dev/null 2>&1 && for package in *.deb; do dpkg-deb -x "$package" "$cache"; done)
    touch "$cache/complete"
  fi
  [ -d "$work/$name" ] || cp -r --reflink=auto "$cache" "$work/$name"
  chmod -R a+rX "$work/$name"
  echo "$work/$name"
}

# The server refuses root.
as_user=()
[ "$(id -u)" != 0 ] || as_user=(setpriv --reuid=nobody --regid=nogroup --clear-groups)

# server NAME MAJOR: a cluster of that version, with logical replication; its port stands in $work/NAME.port.
server() {
  local name=$1 data=$work/$1
  local bin
  bin=$("$binary" fetch-postgres "$2" | cut -d' ' -f2-)
  # A cache below the home of root is closed to the user that the server runs as.
  if [ "$(id -u)" = 0 ] && ! "${as_user[@]}" test -x "$bin/postgres"; then
    [ -d "$work/postgres-$2" ] || cp -r --reflink=auto "${bin%/bin}" "$work/postgres-$2"
    chmod -R a+rX "$work/postgres-$2"
    bin=$work/postgres-$2/bin
  fi
  echo "$bin" >"$work/$name.bin"
  free_port >"$work/$name.port"
  mkdir "$data"
  [ "$(id -u)" != 0 ] || chown nobody "$data"
  theirs "$name" initdb
  "${theirs[@]}" -A trust -U postgres --no-sync --locale=C -E UTF8 -D "$data/pg" >"$work/$name.log"
  serve "$name"
}

# theirs SERVER PROGRAM: fills the array `theirs` with how one of that server's programs is run; what npm brought has its
# libraries beside it.
theirs() {
  local bin
  bin=$(cat "$work/$1.bin")
  theirs=("${as_user[@]}")
  if [ -e "$bin/../lib/libpq.so.5" ]; then theirs+=(env "LD_LIBRARY_PATH=$bin/../lib"); fi
  theirs+=("$bin/$2")
}

# serve SERVER: started, and answering.
serve() {
  theirs "$1" postgres
  start "$1" "${theirs[@]}" -D "$work/$1/pg" -p "$(cat "$work/$1.port")" -k "$work/$1" -F -c wal_level=logical
  until_true "the server $1" psql -qAt "$(url "$1" postgres)" -c 'select 1'
}

# url SERVER DATABASE [USER]; sql SERVER DATABASE STATEMENT…
url() { echo "postgres://${3:-postgres}@127.0.0.1:$(cat "$work/$1.port")/$2?sslmode=disable"; }
sql() { psql -qAtX -v ON_ERROR_STOP=1 "$(url "$1" "$2")" -c "$3"; }

# site SERVER: the database `site` with the sample.
site() {
  sql "$1" postgres 'create database site'
  psql -qX -v ON_ERROR_STOP=1 "$(url "$1" site)" -f "$root/sql/sample_site.sql"
}

# places SERVER DATABASE [USER]: where the connector's config leads; the ports stay.
places() {
  export DESKIE_CDC_DATABASE_URL
  DESKIE_CDC_DATABASE_URL=$(url "$1" "$2" "${3:-deskie_cdc}")
}

# deskie: the simulator, with a limit that no test waits for.
deskie() {
  local at
  at=$(free_port)
  export DESKIE_URL=http://127.0.0.1:$at DESKIE_CDC_CONFIG=$root/sql/sample_site.toml
  export DESKIE_CDC_LISTEN DESKIE_CDC_ADMIN_LISTEN
  DESKIE_CDC_LISTEN=127.0.0.1:$(free_port)
  DESKIE_CDC_ADMIN_LISTEN=127.0.0.1:$(free_port)
  start simulator "$binary" simulator --listen "127.0.0.1:$at" --requests-per-minute 100000 \
    --webhook "${1:-http://$DESKIE_CDC_LISTEN/webhooks/demo-webhook-secret}"
  until_true "the simulator" curl -fs "$DESKIE_URL/_control/books"
}

people() { curl -fsS "$DESKIE_URL/_control/people" -d "$1" >/dev/null; }
ready() { curl -fs "http://$DESKIE_CDC_ADMIN_LISTEN/health/ready"; }

# connector: started, and ready.
connector() {
  start connector "$binary" run
  until_true "the connector is ready" ready
}

# What stands in Deskie, and on the site.
in_deskie() { curl -fsS "$DESKIE_URL/_control/books" | grep -qF -- "$1"; }
on_site() { sql "$1" site 'table messages' | grep -qF -- "$2"; }
