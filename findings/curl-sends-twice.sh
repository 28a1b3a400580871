#!/usr/bin/env bash
# PHP 8.2.36 with curl 7.88.1 (Debian 12's php-cli, php-curl): a POST whose connection ends without an answer is sent a second time by curl itself.
#
# Expected: only what may be repeated is repeated, a GET; a POST that was sent as a whole and not answered is an error of the caller's, who alone can know
#   whether it may go again. Redirects and retries are off, as they are at first.
# Seen: where the handle has used the connection before, curl takes its end for the other side's having closed it while it was idle, whatever was sent by then: it opens a new
#   one and sends the POST again, whole, a form, JSON and files alike. The receiver has it twice, the caller one answer and no error. On a first connection, or with
#   CURLOPT_FRESH_CONNECT, it is error 52. So a receiver that is restarted, or dies, over one webhook in a row of several gets that one twice, at once, and
#   may have stored either.
# For the connector: webhooks are told apart by what they say, not by how often they come; its own calls to Deskie, which are not curl's, are looked for before they go again.
. "$(dirname "${BASH_SOURCE[0]}")/php.sh"
cat >receiver.py <<'PY'
import socket, sys, threading
def one(connection):
    stream, first = connection.makefile("rb"), True
    while line := stream.readline():
        size, kind = 0, ""
        while (header := stream.readline()) not in (b"\r\n", b""):
            name, _, value = header.decode().partition(":")
            size = int(value) if name.lower() == "content-length" else size
            kind = value.strip().split(";")[0] if name.lower() == "content-type" else kind
        body = stream.read(size)
        path = line.decode().split()[1]
        seen[path] = seen.get(path, 0) + 1
        print("  received:", path, kind, len(body) == size and size > 0, flush=True)
        if path.endswith("fails") and seen[path] == 1:
            connection.shutdown(socket.SHUT_RDWR)
            return connection.close()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
seen = {}
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
print("PHP", sys.argv[2], flush=True)
while True:
    threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()
PY
cat >send.php <<'PHP'
<?php
function post($curl, string $path, $body, array $more = []) {
    global $argv;
    curl_setopt_array($curl, [CURLOPT_URL => $argv[1] . $path, CURLOPT_RETURNTRANSFER => true, CURLOPT_POSTFIELDS => $body] + $more);
    $answer = curl_exec($curl);
    echo "$path: ", $answer === false ? 'error ' . curl_errno($curl) : $answer, "\n";
}
$kinds = ['form' => 'a=1', 'json' => '{"a":1}', 'file' => ['f' => new CURLStringFile('x', 'x.txt')]];
foreach ($kinds as $kind => $body) {
    $headers = $kind === 'json' ? [CURLOPT_HTTPHEADER => ['Content-Type: application/json']] : [];
    post(curl_init(), "/$kind/first/fails", $body, $headers);
    $curl = curl_init();
    post($curl, "/$kind/before", $body, $headers);
    post($curl, "/$kind/second/fails", $body, $headers);
    $curl = curl_init();
    post($curl, "/$kind/before", $body, $headers);
    post($curl, "/$kind/fresh/fails", $body, $headers + [CURLOPT_FRESH_CONNECT => true]);
}
PHP
python3 receiver.py "$port" 8.2 >received &
running=$!
until [ -s received ]; do sleep 0.1; done
php send.php "http://127.0.0.1:$port" >told
{ cat told; sort received | uniq -c | sed 's/^ *//'; } | tee seen
diff seen - <<'SEEN'
/form/first/fails: error 52
/form/before: ok
/form/second/fails: ok
/form/before: ok
/form/fresh/fails: error 52
/json/first/fails: error 52
/json/before: ok
/json/second/fails: ok
/json/before: ok
/json/fresh/fails: error 52
/file/first/fails: error 52
/file/before: ok
/file/second/fails: ok
/file/before: ok
/file/fresh/fails: error 52
2   received: /file/before multipart/form-data True
1   received: /file/first/fails multipart/form-data True
1   received: /file/fresh/fails multipart/form-data True
2   received: /file/second/fails multipart/form-data True
2   received: /form/before application/x-www-form-urlencoded True
1   received: /form/first/fails application/x-www-form-urlencoded True
1   received: /form/fresh/fails application/x-www-form-urlencoded True
2   received: /form/second/fails application/x-www-form-urlencoded True
2   received: /json/before application/json True
1   received: /json/first/fails application/json True
1   received: /json/fresh/fails application/json True
2   received: /json/second/fails application/json True
1 PHP 8.2
SEEN
echo "as described"
