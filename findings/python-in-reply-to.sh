#!/usr/bin/env bash
# Python's own email package (3.11.7; 3.8, 3.11.2, 3.12, 3.13 by hand), Django 5.2.8 (PyPI; 6.0.10 by hand), nodemailer 10.6.1, mailparser 3.14.2 (npm): an answer to a mail of Outlook's
#   has an In-Reply-To that names no mail.
#
# Expected: EmailMessage, which folds long headers by itself, leaves a Message-ID in one piece: a header without a blank may be longer than 78, and an encoded word must not
#   stand in a msg-id (RFC 2047, 5).
# Seen: In-Reply-To and References are to it a text as any other. An id of 78 letters or more, as those of Exchange Online and Amazon SES are, is written as `=?utf-8?q?=3CAM0…?=`,
#   with no unusual letter in it; shorter ones (Gmail's) and Message-ID itself are left alone. Who looks the id up as it stands, as Python's
#   own default parser gives it, finds no ticket, and the answer opens a new one; its policy.default and mailparser decode it, so that between these two
#   it does not show. nodemailer and Django up to 5.2 put the id on a line of its own; Django 6.0 builds on EmailMessage and breaks it, where the site's code is the same as before.
#   EmailMessage(policy=policy.default.clone(max_line_length=998)) mends it.
# For the connector: it reads no mail; a site that answers by mail beside it loses its threads.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/py" django==5.2.8
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" nodemailer@10.6.1 mailparser@3.14.2
cat >write.py <<'PY'
import email, sys
from email import policy
from email.message import EmailMessage
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
settings.configure()
ids = {"Gmail": f"<{'CA+x' * 12}AB@mail.gmail.com>", "Outlook": f"<AM0PR01MB0000{'0A' * 13}@AM0PR01MB0000.eurprd01.prod.outlook.com>", "SES": f"<{'0' * 16}-{'0' * 8}-0000-0000-0000-{'0' * 12}-000000@eu-west-1.amazonses.com>"}
def written(id, **more):
    message = EmailMessage(**more)
    message["From"], message["Message-ID"], message["In-Reply-To"], message["References"] = "agent@example.org", id, id, f"<first@example.org> {id}"
    message.set_content("It is on its way.")
    return message.as_bytes()
def told(what, mail, id):
    read = email.message_from_bytes(mail)
    print(f"{what}:", ", ".join(f"{name} {'kept' if id in (read[name] or '') else 'absent' if read[name] is None else 'lost'}" for name in ("Message-ID", "In-Reply-To", "References")))
for name, id in ids.items():
    told(f"EmailMessage, an id of {name}'s length ({len(id)})", written(id), id)
    told("  with max_line_length=998", written(id, policy=policy.default.clone(max_line_length=998)), id)
    django = EmailMultiAlternatives("Re: Parcel", "It is on its way.", "agent@example.org", ["customer@example.org"], headers={"Message-ID": id, "In-Reply-To": id, "References": f"<first@example.org> {id}"})
    told("  Django 5.2", django.message().as_bytes(), id)
length = next(length for length in range(30, 200) if "<" not in email.message_from_bytes(written(f"<{'x' * (length - 14)}@example.org>"))["In-Reply-To"])
print("lost from a length of", length)
outlook = ids["Outlook"]
mail = written(outlook)
print("In-Reply-To as it stands:", email.message_from_bytes(mail)["In-Reply-To"].split("\n")[0])
print("read by policy.default:", "kept" if email.message_from_bytes(mail, policy=policy.default)["In-Reply-To"] == outlook else "lost")
open("mail", "wb").write(mail)
open("id", "w").write(outlook)
PY
cat >read.js <<'JS'
const fs = require("fs");
const id = fs.readFileSync("id", "utf8");
(async () => {
  const read = await require("mailparser").simpleParser(fs.readFileSync("mail"));
  console.log("read by mailparser:", read.inReplyTo === id ? "kept" : "lost");
  const transport = require("nodemailer").createTransport({ streamTransport: true, buffer: true });
  const sent = await transport.sendMail({ from: "agent@example.org", to: "customer@example.org", inReplyTo: id, references: ["<first@example.org>", id], text: "It is on its way." });
  const text = sent.message.toString();
  console.log("nodemailer:", ["In-Reply-To", "References"].map((name) => `${name} ${new RegExp(`^${name}:[^:]*\\s${id.replace(/[+.]/g, "\\$&")}`, "m").test(text) ? "kept" : "lost"}`).join(", "));
})();
JS
{ PYTHONPATH=$work/py python3 write.py; node read.js; } | tee seen
diff seen - <<'SEEN'
EmailMessage, an id of Gmail's length (67): Message-ID kept, In-Reply-To kept, References kept
  with max_line_length=998: Message-ID kept, In-Reply-To kept, References kept
  Django 5.2: Message-ID kept, In-Reply-To kept, References kept
EmailMessage, an id of Outlook's length (81): Message-ID kept, In-Reply-To lost, References lost
  with max_line_length=998: Message-ID kept, In-Reply-To kept, References kept
  Django 5.2: Message-ID kept, In-Reply-To kept, References kept
EmailMessage, an id of SES's length (86): Message-ID kept, In-Reply-To lost, References lost
  with max_line_length=998: Message-ID kept, In-Reply-To kept, References kept
  Django 5.2: Message-ID kept, In-Reply-To kept, References kept
lost from a length of 78
In-Reply-To as it stands: =?utf-8?q?=3CAM0PR01MB00000A0A0A0A0A0A0A0A0A0A0A0A0A=40AM0PR01M?=
read by policy.default: kept
read by mailparser: kept
nodemailer: In-Reply-To kept, References kept
SEEN
echo "as described"
