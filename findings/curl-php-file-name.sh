#!/usr/bin/env bash
# PHP 8.2.36 with curl 7.88.1 (Debian 12's php-cli, php-curl): PHP's curl sends a file's name that PHP itself reads as another.
#
# Expected: a file sent by CURLStringFile or CURLFile arrives in $_FILES with the name that it was given.
# Seen: `a"b.txt` arrives as `a%22b.txt`. Since 7.81 curl writes a quote as %22, as browsers do, and PHP decodes none of it; a name
#   that really holds %22 arrives alike, so that the two cannot be told apart. Of `a\b.txt` only `b.txt` is left.
# For the connector: names go to Deskie with " and / and \ replaced, and what comes from it is made a bare name likewise.
set -euo pipefail
work=$(mktemp -d)
running=
trap '[ -z "$running" ] || kill "$running" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
php -r 'extension_loaded("curl") || exit("php-curl is missing\n"); echo "PHP ", PHP_VERSION, ", curl ", curl_version()["version"], "\n";'
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
echo '<?php echo $_FILES["f"]["name"] ?? "";' >taken.php
cat >send.php <<'PHP'
<?php
foreach (['a"b.txt', 'a%22b.txt', 'a\\b.txt', 'Şikâyet.txt'] as $name) {
    $curl = curl_init($argv[1]);
    curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true, CURLOPT_POSTFIELDS => ['f' => new CURLStringFile('x', $name)]]);
    echo $name, ' -> ', curl_exec($curl), "\n";
}
PHP
php -S "127.0.0.1:$port" taken.php 2>server.log &
running=$!
until curl -so /dev/null "127.0.0.1:$port"; do sleep 0.1; done
php send.php "http://127.0.0.1:$port" | tee seen
diff - seen <<'SEEN'
a"b.txt -> a%22b.txt
a%22b.txt -> a%22b.txt
a\b.txt -> b.txt
Şikâyet.txt -> Şikâyet.txt
SEEN
