#!/usr/bin/env bash
# PHP 8.2.36 (Debian 12's php-cli): of three limits on files only one leaves the program a trace of what was left out.
#
# Expected: a file that PHP does not take stands in $_FILES with its error, as the manual's table of UPLOAD_ERR_… suggests.
# Seen: so it is for one over upload_max_filesize. One beyond max_file_uploads is in no array at all, with no error; and over
#   post_max_size $_FILES and $_POST are empty together, the small fields before the files included. Each is a 200.
# For the connector: Deskie's answer, or a re-read of the message, is compared with what was sent; a file that is not there is
#   parked alone. Over post_max_size a good message may be refused as one without content.
. "$(dirname "${BASH_SOURCE[0]}")/php.sh"
cat >taken.php <<'PHP'
<?php
echo 'text: ', $_POST['text'] ?? 'none', ', files:';
foreach ($_FILES as $name => $file) {
    echo " $name:$file[error]";
}
PHP
serve taken.php -d max_file_uploads=2 -d upload_max_filesize=1K -d post_max_size=8K -d display_errors=0
for size in 10 2000 9000; do head -c "$size" /dev/zero | tr '\0' x >"$size"; done
send() {
  local what=$1
  shift
  echo "$what: $(curl -s "127.0.0.1:$port" -F text=hello "$@" -w ' (%{http_code})')"
}
{
  send "one too large" -F a=@10 -F b=@2000
  send "one too many" -F a=@10 -F b=@10 -F c=@10
  send "too much in all" -F a=@9000
} | tee seen
diff - seen <<'SEEN'
one too large: text: hello, files: a:0 b:1 (200)
one too many: text: hello, files: a:0 b:0 (200)
too much in all: text: none, files: (200)
SEEN
