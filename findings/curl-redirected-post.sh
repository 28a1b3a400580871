#!/usr/bin/env bash
# curl 7.88.1 as PHP 8.2.36 uses it (Debian 12's php-cli, php-curl): a POST that is redirected stays a POST and loses its body.
#
# Expected: with CURLOPT_FOLLOWLOCATION a POST that is answered 301 is sent on whole, or as a GET, which a server can tell from it.
# Seen: where the method was set by CURLOPT_CUSTOMREQUEST => 'POST', as by a client that treats all methods alike, the second call
#   is a POST without a body: the server sees a well-formed empty call, answers 200, and the sender takes it for done. With
#   CURLOPT_POST it is a GET; with CURLOPT_POSTREDIR => 7 it is whole. A 308 is whole in each case.
# For the connector: an empty webhook is the test call that Deskie makes, and is answered 200; so `server.public_url` has to be
#   the address that answers itself, https and all. What is lost all the same is found by the sweep.
. "$(dirname "${BASH_SOURCE[0]}")/php.sh"
cat >hook.php <<'PHP'
<?php
if (preg_match('~^/(30\d)$~', $_SERVER['REQUEST_URI'], $found)) {
    header('Location: /hook', true, (int) $found[1]);
    exit;
}
echo $_SERVER['REQUEST_METHOD'], ' [', file_get_contents('php://input'), ']';
PHP
cat >send.php <<'PHP'
<?php
$ways = ['CURLOPT_POST' => [CURLOPT_POST => true], 'CURLOPT_CUSTOMREQUEST' => [CURLOPT_CUSTOMREQUEST => 'POST'],
    'CURLOPT_CUSTOMREQUEST and CURLOPT_POSTREDIR' => [CURLOPT_CUSTOMREQUEST => 'POST', CURLOPT_POSTREDIR => 7]];
foreach ([301, 308] as $status) {
    foreach ($ways as $name => $way) {
        $curl = curl_init("$argv[1]/$status");
        curl_setopt_array($curl, $way + [CURLOPT_RETURNTRANSFER => true, CURLOPT_FOLLOWLOCATION => true,
            CURLOPT_POSTFIELDS => 'case_id=1']);
        echo "$status, $name: ", curl_exec($curl), "\n";
    }
}
PHP
serve hook.php
php send.php "http://127.0.0.1:$port" | tee seen
diff - seen <<'SEEN'
301, CURLOPT_POST: GET []
301, CURLOPT_CUSTOMREQUEST: POST []
301, CURLOPT_CUSTOMREQUEST and CURLOPT_POSTREDIR: POST [case_id=1]
308, CURLOPT_POST: POST [case_id=1]
308, CURLOPT_CUSTOMREQUEST: POST [case_id=1]
308, CURLOPT_CUSTOMREQUEST and CURLOPT_POSTREDIR: POST [case_id=1]
SEEN
