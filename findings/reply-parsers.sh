#!/usr/bin/env bash
# email-reply-parser 0.5.12, mail-parser-reply 1.36 (PyPI), email-reply-parser 2.3.9, node-email-reply-parser 0.1.4, emailreplyparser 0.0.5 (npm): an answer that ends in a list without blanks, in a number below
#   nought or in a line of dashes is cut there.
#
# Expected: what tells an answer from the history below it looks for quotations and for `-- `, the line before a signature; an answer with neither stays whole.
# Seen: to most of them a signature begins with any line whose first letters are `-` and a letter or digit, or two dashes or underscores, and goes to the end: "-red, size M", "-4 degrees", "__init__ failed"
#   and all that stands below a line of dashes is not in the reply, and no error says so. A blank after the `-` saves the list, except in the last one named here. email-reply-parser of npm keeps lists and
#   numbers, but cuts below a line of dashes. mail-parser-reply gives all by parse_reply() and leaves lists and numbers out of replies[0].body, two ways that its README shows.
# For the connector: it cuts a quotation only below a head that a mail program wrote, and no signature; a site that stores what one of these has left tells Deskie no more than that.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/py" email-reply-parser==0.5.12 mail-parser-reply==1.36
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" email-reply-parser@2.3.9 node-email-reply-parser@0.1.4 emailreplyparser@0.0.5
cat >mails.json <<'JSON'
{
  "a list": "Please send these:\n\n-red, size M\n-blue, END\n",
  "a list with blanks": "Please send these:\n\n- red, size M\n- blue, END\n",
  "a number": "In the box it is\n\n-4 degrees, END\n",
  "a name": "It says\n\n__init__ failed, END\n",
  "a line": "The first thing.\n\n---\n\nThe second thing, END.\n"
}
JSON
cat >cut.py <<'PY'
import json
from email_reply_parser import EmailReplyParser
from mailparser_reply import EmailReplyParser as Reply
for name, text in json.load(open("mails.json")).items():
    print(f"{name}: email-reply-parser (PyPI):", "whole" if "END" in EmailReplyParser.parse_reply(text) else "cut")
    read = Reply(languages=["en"])
    print(f"{name}: mail-parser-reply, parse_reply:", "whole" if "END" in read.parse_reply(text=text) else "cut", "- body:", "whole" if "END" in read.read(text=text).replies[0].body else "cut")
PY
cat >cut.js <<'JS'
const modern = new (require("email-reply-parser").default)();
const node = require("node-email-reply-parser");
const port = require("emailreplyparser").EmailReplyParser;
const whole = (text) => (text.includes("END") ? "whole" : "cut");
for (const [name, text] of Object.entries(JSON.parse(require("fs").readFileSync("mails.json"))))
  console.log(`${name}: email-reply-parser (npm): ${whole(modern.read(text).getVisibleText())}, node-email-reply-parser: ${whole(node(text, true))}, emailreplyparser: ${whole(port.parse_reply(text))}`);
JS
{ PYTHONPATH=$work/py python3 cut.py; node cut.js; } | tee seen
diff seen - <<'SEEN'
a list: email-reply-parser (PyPI): cut
a list: mail-parser-reply, parse_reply: whole - body: cut
a list with blanks: email-reply-parser (PyPI): whole
a list with blanks: mail-parser-reply, parse_reply: whole - body: cut
a number: email-reply-parser (PyPI): cut
a number: mail-parser-reply, parse_reply: whole - body: cut
a name: email-reply-parser (PyPI): cut
a name: mail-parser-reply, parse_reply: whole - body: whole
a line: email-reply-parser (PyPI): cut
a line: mail-parser-reply, parse_reply: whole - body: whole
a list: email-reply-parser (npm): whole, node-email-reply-parser: cut, emailreplyparser: cut
a list with blanks: email-reply-parser (npm): whole, node-email-reply-parser: whole, emailreplyparser: whole
a number: email-reply-parser (npm): whole, node-email-reply-parser: cut, emailreplyparser: cut
a name: email-reply-parser (npm): whole, node-email-reply-parser: cut, emailreplyparser: cut
a line: email-reply-parser (npm): cut, node-email-reply-parser: cut, emailreplyparser: cut
SEEN
echo "as described"
