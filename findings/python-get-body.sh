#!/usr/bin/env bash
# Python's own email package (3.11.7), imap-tools 1.16.0 (PyPI), postal-mime 4.0.0 and mailparser 3.14.2 (npm): of a mail as Apple Mail writes it, Python has neither the file nor the words below it.
#
# Expected: get_body() gives the text of a mail and iter_attachments() the rest, so that both together are the mail: that is how the manual reads a mail. What stands in neither does
#   not exist.
# Seen: who drags a file between two paragraphs in Apple Mail sends multipart/alternative of the plain text and multipart/mixed of HTML, file, HTML. There iter_attachments() gives
#   nothing at all, since it looks one level deep and an alternative has no attachments: the file is gone, without an error. get_body("html") is the words above
#   the file. Of a plain mail (text, picture, text) get_body() is the words above the picture, and those below it are an attachment without a name, of the
#   same type as the body. mailparser, postal-mime and imap-tools have all of both mails.
# For the connector: it reads no mail; a site that makes tickets of mails by the standard library loses what customers write below a picture, before anybody sees it. Walk all parts.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/py" imap-tools==1.16.0
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" mailparser@3.14.2 postal-mime@4.0.0
cat >read.py <<'PY'
import email, json
from email import policy
from imap_tools import MailMessage
def part(type, text, *more):
    return [f"Content-Type: {type}", *more, "", text]
def parts(type, boundary, *inner):
    lines = [f"Content-Type: multipart/{type}; boundary={boundary}", ""]
    for one in inner:
        lines += [f"--{boundary}", *one]
    return [*lines, f"--{boundary}--"]
def file(name, type):
    return part(f"{type}; name={name}", "eA==", f"Content-Disposition: inline; filename={name}", "Content-Transfer-Encoding: base64")
def words(text):
    return " ".join(word for word in ("above", "below") if text and word in text) or "none"
head = ["From: customer@example.org", "To: help@example.org", "Subject: Parcel", "Message-ID: <1@example.org>", "MIME-Version: 1.0"]
mails = {
    "html.eml": parts("alternative", "outer", part("text/plain", "above\r\n\r\nbelow"), parts("mixed", "inner", part("text/html", "<p>above</p>"), file("bill.pdf", "application/pdf"), part("text/html", "<p>below</p>"))),
    "plain.eml": parts("mixed", "outer", part("text/plain", "above"), file("box.png", "image/png"), part("text/plain", "below")),
}
for name, lines in mails.items():
    mail = "\r\n".join([*head, *lines, ""]).encode()
    open(name, "wb").write(mail)
    message = email.message_from_bytes(mail, policy=policy.default)
    for kind in ("html", "plain"):
        body = message.get_body((kind,))
        print(f"{name}: get_body {kind}:", words(body and body.get_content()))
    print(f"{name}: iter_attachments:", [(one.get_content_type(), one.get_filename()) for one in message.iter_attachments()])
    read = MailMessage.from_bytes(mail)
    print(f"{name}: imap-tools: html {words(read.html)}, text {words(read.text)},", ", ".join(one.filename for one in read.attachments))
PY
cat >read.mjs <<'JS'
import fs from "fs";
import PostalMime from "postal-mime";
import { simpleParser } from "mailparser";
const words = (text) => ["above", "below"].filter((word) => text && text.includes(word)).join(" ") || "none";
for (const name of ["html.eml", "plain.eml"]) {
  const mail = fs.readFileSync(name);
  for (const [what, read] of [["mailparser", await simpleParser(mail)], ["postal-mime", await PostalMime.parse(mail)]])
    console.log(`${name}: ${what}: html ${words(read.html)}, text ${words(read.text)}, ${read.attachments.map((one) => one.filename).join(", ")}`);
}
JS
{ PYTHONPATH=$work/py python3 read.py; node read.mjs; } | tee seen
diff seen - <<'SEEN'
html.eml: get_body html: above
html.eml: get_body plain: above below
html.eml: iter_attachments: []
html.eml: imap-tools: html above below, text above below, bill.pdf
plain.eml: get_body html: none
plain.eml: get_body plain: above
plain.eml: iter_attachments: [('image/png', 'box.png'), ('text/plain', None)]
plain.eml: imap-tools: html none, text above below, box.png
html.eml: mailparser: html above below, text above below, bill.pdf
html.eml: postal-mime: html above below, text above below, bill.pdf
plain.eml: mailparser: html none, text above below, box.png
plain.eml: postal-mime: html none, text above below, box.png
SEEN
echo "as described"
