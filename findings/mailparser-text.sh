#!/usr/bin/env bash
# mailparser 3.14.2, html-to-text as it brings it, postal-mime 4.0.0 (npm): the `text` of a mail has other letters than the mail, and a text file that came with it is in it.
#
# Expected: simpleParser's `text` is what the customer wrote: of a mail with HTML alone the same words without the tags. A file that is named, with a Content-Disposition, is in
#   `attachments`, whatever its type.
# Seen: of a mail without a plain part mailparser makes one with html-to-text's defaults, which put headings in capitals: a voucher, a file name, an order's key that
#   stands in <h1> to <h6> is another one. Two cells of a row are glued to one word. And a text/plain file that is `inline`, as Apple Mail
#   sends .txt, .log and .csv, is appended to the text and is not among the attachments, its name nowhere; postal-mime does likewise, and leaves the text of a mail
#   without a plain part undefined. Where the disposition is `attachment` both have the file.
# For the connector: it reads no mail; a site that stores `text` tells it what no customer wrote. Store `html`, or make the text of it oneself.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" mailparser@3.14.2 postal-mime@4.0.0
cat >read.mjs <<'JS'
import PostalMime from "postal-mime";
import { simpleParser } from "mailparser";
const head = ["From: customer@example.org", "To: help@example.org", "Subject: Voucher", "MIME-Version: 1.0"];
const file = (disposition) => [
  "Content-Type: multipart/mixed; boundary=b", "", "--b", "Content-Type: text/plain", "", "It is in the file.",
  "--b", "Content-Type: text/plain; name=router.log", `Content-Disposition: ${disposition}; filename=router.log`, "", "line 1 of 9000", "--b--",
];
const html = "<h1>Voucher aBc-dEf</h1><p>does not work.</p><h4>see Order_7b.pdf</h4><table><tr><td>Size</td><td>42</td><td>Count</td><td>1</td></tr></table>";
const mails = {
  "HTML alone": ["Content-Type: text/html", "", html],
  "a text file, attachment": file("attachment"),
  "a text file, inline": file("inline"),
};
for (const [what, lines] of Object.entries(mails)) {
  const mail = Buffer.from([...head, ...lines, ""].join("\r\n"));
  for (const [name, read] of [["mailparser", await simpleParser(mail)], ["postal-mime", await PostalMime.parse(mail)]])
    console.log(`${what}: ${name}:`, JSON.stringify(read.text?.trim()), read.attachments.map((one) => one.filename));
}
JS
node read.mjs | tee seen
diff seen - <<'SEEN'
HTML alone: mailparser: "VOUCHER ABC-DEF\n\ndoes not work.\n\nSEE ORDER_7B.PDF\n\nSize42Count1" []
HTML alone: postal-mime: undefined []
a text file, attachment: mailparser: "It is in the file." [ 'router.log' ]
a text file, attachment: postal-mime: "It is in the file." [ 'router.log' ]
a text file, inline: mailparser: "It is in the file.\nline 1 of 9000" []
a text file, inline: postal-mime: "It is in the file.\n\nline 1 of 9000" []
SEEN
echo "as described"
