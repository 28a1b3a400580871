#!/usr/bin/env bash
# imap-tools 1.16.0, mail-parser 4.8.0, Python's own walk() (3.11.7) (PyPI), mailparser 3.14.2, postal-mime 4.0.0 (npm): the words of a mail that is attached become the customer's own.
#
# Expected: a message/rfc822 with `Content-Disposition: attachment` is a file: its words and its files are in it, as a zip's are.
# Seen: imap-tools and mail-parser go into it as Python's walk() does: `text` is the customer's words and, right below with nothing between, those that a third person wrote; the
#   files within stand beside it as if the customer had attached them. Both keep the mail itself as a file as well, so that each of its files is there twice. A bounce, and mail that is forwarded
#   "as attachment", is of that form. mailparser and postal-mime take it for a file.
# For the connector: it reads no mail; a site whose tickets come by these tells Deskie somebody else's words as the customer's. Ask is_attachment() of each part, and go no deeper.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/py" imap-tools==1.16.0 mail-parser==4.8.0
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" mailparser@3.14.2 postal-mime@4.0.0
cat >mail.py <<'PY'
from email.message import EmailMessage
inner = EmailMessage()
inner["From"], inner["To"], inner["Subject"] = "courier@example.net", "customer@example.org", "Your parcel"
inner.set_content("Nobody was at home.")
inner.add_attachment(b"x", maintype="application", subtype="pdf", filename="route.pdf")
outer = EmailMessage()
outer["From"], outer["To"], outer["Subject"] = "customer@example.org", "help@example.org", "Fwd: Your parcel"
outer.set_content("I was at home.")
outer.add_attachment(inner, filename="parcel.eml")
open("mail", "wb").write(outer.as_bytes())
PY
cat >read.py <<'PY'
import email
from email import policy
from imap_tools import MailMessage
import mailparser
mail = open("mail", "rb").read()
message = email.message_from_bytes(mail, policy=policy.default)
print("walk:", [part.get_content().strip() for part in message.walk() if part.get_content_type() == "text/plain"])
print("get_body:", repr(message.get_body().get_content().strip()), [part.get_filename() for part in message.iter_attachments()])
read = MailMessage.from_bytes(mail)
print("imap-tools:", repr(read.text), [file.filename for file in read.attachments])
read = mailparser.parse_from_bytes(mail)
print("mail-parser:", [text.strip() for text in read.text_plain], [file["filename"] for file in read.attachments])
PY
cat >read.mjs <<'JS'
import fs from "fs";
import PostalMime from "postal-mime";
import { simpleParser } from "mailparser";
const mail = fs.readFileSync("mail");
for (const [name, read] of [["mailparser", await simpleParser(mail)], ["postal-mime", await PostalMime.parse(mail)]])
  console.log(`${name}:`, JSON.stringify(read.text.trim()), read.attachments.map((file) => file.filename));
JS
{ PYTHONPATH=$work/py python3 mail.py && PYTHONPATH=$work/py python3 read.py; node read.mjs; } | tee seen
diff seen - <<'SEEN'
walk: ['I was at home.', 'Nobody was at home.']
get_body: 'I was at home.' ['parcel.eml']
imap-tools: 'I was at home.\nNobody was at home.\n' ['parcel.eml', 'route.pdf']
mail-parser: ['I was at home.', 'Nobody was at home.'] ['parcel.eml', 'route.pdf']
mailparser: "I was at home." [ 'parcel.eml' ]
postal-mime: "I was at home." [ 'parcel.eml' ]
SEEN
echo "as described"
