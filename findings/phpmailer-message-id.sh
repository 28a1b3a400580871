#!/usr/bin/env bash
# PHPMailer 6.6.3 (Debian 12's libphp-phpmailer) on PHP 8.2.36, nodemailer 10.6.1 (npm): a MessageID that PHPMailer does not like is left out without a word, and another one sent in its place.
#
# Expected: the id that one sets is sent, so that the answer's In-Reply-To finds the ticket by it; without its angle brackets it gets them, or it is an error: PHPMailer was made to throw.
# Seen: an id without brackets, with a port, with a letter that is not ASCII, or with two dots is dropped: the mail goes out with a made up id, preSend() returns true, nothing is thrown, and the
#   property MessageID says what was set, so that this is what the site stores. Only getLastMessageID() knows. Nor is the custom header a way: addCustomHeader("Message-ID") adds a second Message-ID to
#   the first. And In-Reply-To, which PHPMailer has as a custom header alone, goes out by PHP's mail(), the way it takes at first, as an encoded word where the id has 48 letters or more,
#   Gmail's and Outlook's, so that it names no mail; by SMTP it is kept. nodemailer brackets an id and sends it.
# For the connector: it writes no mail; a site that does loses the answers to such a mail, each a new ticket. Store getLastMessageID() after sending.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir packages
(cd packages && apt-get download -qq libphp-phpmailer 2>/dev/null && dpkg-deb -x *.deb ..)
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" nodemailer@10.6.1
cat >ids.json <<'JSON'
["<ticket-42@shop.example>", "ticket-42@shop.example", "<42@shop.example:8080>", "<42@münchen.example>", "<ticket..42@shop.example>"]
JSON
cat >send.php <<'PHP'
<?php
error_reporting(E_ALL & ~E_DEPRECATED);
require 'usr/share/php/libphp-phpmailer/src/Exception.php';
require 'usr/share/php/libphp-phpmailer/src/PHPMailer.php';
function ids(string $mail): string {
    preg_match_all('/^Message-ID: ?(.*?)\r?$/mi', $mail, $found);
    return implode(' and ', array_map(fn ($id) => str_ends_with($id, '@made.up>') ? 'a made up one' : $id, $found[1]));
}
function mail_to_customer(): PHPMailer\PHPMailer\PHPMailer {
    $mail = new PHPMailer\PHPMailer\PHPMailer(true);
    $mail->setFrom('agent@shop.example');
    $mail->addAddress('customer@example.org');
    $mail->Subject = 'Re: Parcel';
    $mail->Body = 'It is on its way.';
    $mail->Hostname = 'made.up';
    return $mail;
}
foreach (json_decode(file_get_contents('ids.json')) as $id) {
    $mail = mail_to_customer();
    $mail->MessageID = $id;
    $sent = $mail->preSend();
    echo "PHPMailer, $id: ", var_export($sent, true), ', sent: ', ids($mail->getSentMIMEMessage()), ', the property: ', $mail->MessageID === $id ? 'as it was set' : 'another', "\n";
}
$mail = mail_to_customer();
$mail->addCustomHeader('Message-ID', '<ticket-42@shop.example>');
$mail->preSend();
echo "PHPMailer, as a custom header: ", ids($mail->getSentMIMEMessage()), "\n";
foreach (['mail', 'smtp'] as $way) {
    $lost = 'kept';
    for ($length = 30; $length < 120; $length++) {
        $id = '<' . str_repeat('x', $length - 14) . '@example.org>';
        $mail = mail_to_customer();
        $mail->Mailer = $way;
        $mail->addCustomHeader('In-Reply-To', $id);
        $mail->preSend();
        if (!str_contains($mail->getSentMIMEMessage(), $id)) {
            preg_match('/^In-Reply-To: (\S*?)x/m', $mail->getSentMIMEMessage(), $found);
            $lost = "lost from a length of $length: $found[1]…";
            break;
        }
    }
    echo "PHPMailer by $way, In-Reply-To: $lost\n";
}
PHP
cat >send.js <<'JS'
const transport = require("nodemailer").createTransport({ streamTransport: true, buffer: true });
(async () => {
  for (const messageId of JSON.parse(require("fs").readFileSync("ids.json"))) {
    const sent = await transport.sendMail({ from: "agent@shop.example", to: "customer@example.org", text: "It is on its way.", messageId });
    console.log(`nodemailer, ${messageId}: ${sent.message.toString().match(/^Message-ID: *(.*?)\r?$/im)[1]}`);
  }
})();
JS
{ php send.php; node send.js; } | tee seen
diff seen - <<'SEEN'
PHPMailer, <ticket-42@shop.example>: true, sent: <ticket-42@shop.example>, the property: as it was set
PHPMailer, ticket-42@shop.example: true, sent: a made up one, the property: as it was set
PHPMailer, <42@shop.example:8080>: true, sent: a made up one, the property: as it was set
PHPMailer, <42@münchen.example>: true, sent: a made up one, the property: as it was set
PHPMailer, <ticket..42@shop.example>: true, sent: a made up one, the property: as it was set
PHPMailer, as a custom header: a made up one and <ticket-42@shop.example>
PHPMailer by mail, In-Reply-To: lost from a length of 48: =?us-ascii?Q?<…
PHPMailer by smtp, In-Reply-To: kept
nodemailer, <ticket-42@shop.example>: <ticket-42@shop.example>
nodemailer, ticket-42@shop.example: <ticket-42@shop.example>
nodemailer, <42@shop.example:8080>: <42@shop.example:8080>
nodemailer, <42@münchen.example>: <42@münchen.example>
nodemailer, <ticket..42@shop.example>: <ticket..42@shop.example>
SEEN
echo "as described"
