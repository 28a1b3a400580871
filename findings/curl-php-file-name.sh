#!/usr/bin/env bash
# PHP 8.2.36 with curl 7.88.1 (Debian 12's php-cli, php-curl): PHP's curl sends a file's name that PHP itself reads as another.
#
# Expected: a file sent by CURLStringFile or CURLFile arrives in $_FILES with the name that it was given.
# Seen: `a"b.txt` arrives as `a%22b.txt`. Since 7.81 curl writes a quote as %22, as browsers do, and PHP decodes none of it; a name
#   that really holds %22 arrives alike, so that the two cannot be told apart. Of `a\b.txt` only `b.txt` is left.
# For the connector: names go to Deskie with " and / and \ replaced, and what comes from it is made a bare name likewise.
. "$(dirname "${BASH_SOURCE[0]}")/php.sh"
echo '<?php echo $_FILES["f"]["name"] ?? "";' >taken.php
cat >send.php <<'PHP'
<?php
foreach (['a"b.txt', 'a%22b.txt', 'a\\b.txt', 'Şikâyet.txt'] as $name) {
    $curl = curl_init($argv[1]);
    curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true, CURLOPT_POSTFIELDS => ['f' => new CURLStringFile('x', $name)]]);
    echo $name, ' -> ', curl_exec($curl), "\n";
}
PHP
serve taken.php
php send.php "http://127.0.0.1:$port" | tee seen
diff - seen <<'SEEN'
a"b.txt -> a%22b.txt
a%22b.txt -> a%22b.txt
a\b.txt -> b.txt
Şikâyet.txt -> Şikâyet.txt
SEEN
