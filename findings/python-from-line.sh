#!/usr/bin/env bash
# Python's own smtplib and email (3.11.7), aiosmtplib 5.1.3, redmail 0.6.0, Django 5.2.8, Flask-Mail 0.10.0, email-reply-parser 0.5.12 (PyPI), email-reply-parser 2.3.9 (npm): a sentence that
#   begins with `From` goes out as a quotation, and is cut where it arrives.
#
# Expected: what SMTP carries is what was written; `>From` is an affair of mbox files. EmailMessage, with policy.default, leaves it out besides: its as_bytes() writes `From`.
# Seen: smtplib's send_message() writes the mail by a generator of its own that knows no policy, and puts `>` before each line of an ASCII text that begins with "From ", of MIMEText and EmailMessage
#   alike; redmail and, for MIMEText, aiosmtplib do as well. sendmail() with as_string(), Django and Flask-Mail do not. A text that is not ASCII is base64 and keeps its letters, until somebody
#   imports Flask-Mail, which changes utf-8 for the whole process. To the reader the line is a quotation of what he wrote himself, and a receiver that takes quotations away
#   has the sentence no more: two parsers cut "From Monday on we are closed".
# For the connector: it reads and writes no mail; a site that answers by mail beside it does. It keeps a quotation that no mail program has headed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/py" aiosmtpd==1.4.6 aiosmtplib==5.1.3 redmail==0.6.0 django==5.2.8 flask-mail==0.10.0 email-reply-parser==0.5.12 2>pip.log || { cat pip.log; exit 1; }
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" email-reply-parser@2.3.9
cat >send.py <<'PY'
import asyncio, email, smtplib, socket, warnings
from email import policy
from email.message import EmailMessage
from email.mime.text import MIMEText
warnings.simplefilter("ignore")
import aiosmtplib, django.conf, redmail
from aiosmtpd.controller import Controller
from django.core.mail import send_mail
from email_reply_parser import EmailReplyParser
text = "Thank you.\n\nFrom Monday on we are closed.\n"
came = []
class Receiver:
    async def handle_DATA(self, server, session, envelope):
        came.append(email.message_from_bytes(envelope.original_content, policy=policy.default))
        return "250 taken"
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
receiver = Controller(Receiver(), hostname="127.0.0.1", port=port)
receiver.start()
server = smtplib.SMTP("127.0.0.1", port)
ends = {"From": "agent@example.org", "To": "customer@example.org", "Subject": "Re: Parcel"}
def mime(charset=None):
    message = MIMEText(text + ("" if charset is None else "Görüşürüz.\n"), _charset=charset)
    for name, value in ends.items():
        message[name] = value
    return message
def modern():
    message = EmailMessage()
    for name, value in ends.items():
        message[name] = value
    message.set_content(text)
    return message
def flasks():
    import flask, flask_mail
    app = flask.Flask("site")
    app.config.update(MAIL_SERVER="127.0.0.1", MAIL_PORT=port)
    with app.app_context():
        flask_mail.Mail(app).send(flask_mail.Message("Re: Parcel", sender=ends["From"], recipients=[ends["To"]], body=text))
django.conf.settings.configure(EMAIL_HOST="127.0.0.1", EMAIL_PORT=port)
ways = {
    "smtplib, send_message, MIMEText": lambda: server.send_message(mime()),
    "smtplib, send_message, MIMEText, not ASCII": lambda: server.send_message(mime("utf-8")),
    "smtplib, send_message, EmailMessage": lambda: server.send_message(modern()),
    "smtplib, sendmail of as_string": lambda: server.sendmail(ends["From"], [ends["To"]], mime().as_string()),
    "smtplib, sendmail of EmailMessage's as_bytes": lambda: server.sendmail(ends["From"], [ends["To"]], modern().as_bytes()),
    "aiosmtplib, EmailMessage": lambda: asyncio.run(aiosmtplib.send(modern(), hostname="127.0.0.1", port=port, start_tls=False)),
    "aiosmtplib, MIMEText": lambda: asyncio.run(aiosmtplib.send(mime(), hostname="127.0.0.1", port=port, start_tls=False)),
    "redmail": lambda: redmail.EmailSender(host="127.0.0.1", port=port, use_starttls=False).send(subject="Re: Parcel", sender=ends["From"], receivers=[ends["To"]], text=text),
    "Django": lambda: send_mail("Re: Parcel", text, ends["From"], [ends["To"]]),
    "Flask-Mail": flasks,
    "smtplib, send_message, MIMEText, not ASCII, once Flask-Mail is there": lambda: server.send_message(mime("utf-8")),
}
for name, send in ways.items():
    send()
    got = came.pop().get_body(("plain",)).get_content()
    print(f"{name}:", next(line for line in got.splitlines() if "From" in line))
    if ">" in got:
        quoted = got.replace("\r\n", "\n")
open("quoted", "w").write(quoted)
print("the receiver, email-reply-parser of PyPI:", repr(EmailReplyParser.parse_reply(quoted)))
receiver.stop()
PY
cat >read.js <<'JS'
const parser = new (require("email-reply-parser").default)();
console.log("the receiver, email-reply-parser of npm:", JSON.stringify(parser.read(require("fs").readFileSync("quoted", "utf8")).getVisibleText()));
JS
{ PYTHONPATH=$work/py python3 send.py; node read.js; } | tee seen
diff seen - <<'SEEN'
smtplib, send_message, MIMEText: >From Monday on we are closed.
smtplib, send_message, MIMEText, not ASCII: From Monday on we are closed.
smtplib, send_message, EmailMessage: >From Monday on we are closed.
smtplib, sendmail of as_string: From Monday on we are closed.
smtplib, sendmail of EmailMessage's as_bytes: From Monday on we are closed.
aiosmtplib, EmailMessage: From Monday on we are closed.
aiosmtplib, MIMEText: >From Monday on we are closed.
redmail: >From Monday on we are closed.
Django: From Monday on we are closed.
Flask-Mail: From Monday on we are closed.
smtplib, send_message, MIMEText, not ASCII, once Flask-Mail is there: >From Monday on we are closed.
the receiver, email-reply-parser of PyPI: 'Thank you.\nGörüşürüz.'
the receiver, email-reply-parser of npm: "Thank you.\nGörüşürüz.\n"
SEEN
echo "as described"
