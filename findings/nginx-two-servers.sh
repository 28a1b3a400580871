#!/usr/bin/env bash
# nginx 1.22.1 (Debian 12): with two servers behind it, a restart of both that takes a second is ten seconds of 502; with one server it is a second.
#
# Expected: a second instance makes webhooks safer. After a restart of both the next request that comes is answered, as with a single one.
# Seen: max_fails=1 and fail_timeout=10s hold where there is more than one server: a refused connection to each takes both out for ten seconds, and every request is a 502, "no live upstreams", though both answer all
#   the while. With one server they are ignored. `localhost` in proxy_pass may be two servers, ::1 and 127.0.0.1. max_fails=0 has none of it.
# For the connector: packaging/nginx.conf says max_fails=0. A webhook that is not repeated by its sender is lost by that 502.
set -euo pipefail
work=$(mktemp -d)
running=()
trap 'kill "${running[@]}" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
(apt-get download -qq nginx=1.22.1-9+deb12u11 2>/dev/null || apt-get download -qq nginx 2>/dev/null) && dpkg-deb -x nginx_*.deb .
usr/sbin/nginx -v 2>&1 | sed 's/^/# /'
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
one=$(port) two=$(port) front=$(port)
cat >upstream.py <<'PY'
import http.server, sys
class Upstream(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Upstream).serve_forever()
PY
cat >nginx.conf <<NGINX
daemon off;
master_process off;
pid nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream single { server 127.0.0.1:$one; }
    upstream pair { server 127.0.0.1:$one; server 127.0.0.1:$two; }
    upstream pair0 { server 127.0.0.1:$one max_fails=0; server 127.0.0.1:$two max_fails=0; }
    server {
        listen 127.0.0.1:$front;
        location /single { proxy_pass http://single; }
        location /pair { proxy_pass http://pair; }
        location /pair0 { proxy_pass http://pair0; }
    }
}
NGINX
usr/sbin/nginx -p "$work/" -c nginx.conf -e error.log &
running=($!)
start() {
  python3 upstream.py "$one" &
  first=$!
  python3 upstream.py "$two" &
  second=$!
  running+=("$first" "$second")
  for at in "$one" "$two"; do until curl -so /dev/null -d x "127.0.0.1:$at"; do sleep 0.1; done; done
}
ask() { for path in single pair pair0; do printf ' %s %s' "$path" "$(curl -so /dev/null -w '%{http_code}' -d '{}' "127.0.0.1:$front/$path")"; done; }
start
until curl -so /dev/null -d x "127.0.0.1:$front/single"; do sleep 0.1; done
{
  echo "at first:$(ask)"
  kill "$first" "$second"
  wait "$first" "$second" 2>/dev/null || true
  echo "both stopped:$(ask)"
  start
  echo "both back:$(ask)"
  sleep 5
  echo "five seconds later:$(ask)"
  sleep 7
  echo "twelve seconds later:$(ask)"
} >seen 2>/dev/null
echo "no live upstreams: $(grep -c 'no live upstreams' error.log)" >>seen
cat seen
diff seen - <<'SEEN'
at first: single 200 pair 200 pair0 200
both stopped: single 502 pair 502 pair0 502
both back: single 200 pair 502 pair0 200
five seconds later: single 200 pair 502 pair0 200
twelve seconds later: single 200 pair 200 pair0 200
no live upstreams: 2
SEEN
echo "as described"
