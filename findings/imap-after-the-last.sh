#!/usr/bin/env bash
# Dovecot 2.3.19 (Debian 12), with imaplib (Python 3.11.7) and imap-tools 1.16.0 (PyPI): who asks for the mails after the last one gets the last one, each time.
#
# Expected: of five mails `UID FETCH 6:*` and `UID SEARCH UID 6:*` are none: a range from the first that I do not have to the end.
# Seen: `*` is the last mail's number, and a range may be written either way round, so that 6:* is 5:6 (RFC 9051 says so). Whoever polls from the number after the last, as one
#   does with a sequence, reads the last mail anew at each poll, and answers or stores it each time. imap-tools hands it on as it is, as U("6", "*"). In an empty mailbox it
#   is none, and while new mails come it shows nothing, so that a trial finds it right. 6:4294967295 gives what was meant.
# For the connector: it reads no mail. A ticket that is made of each mail needs a key of the mail, or Deskie has a customer who says the same every minute.
set -euo pipefail
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/py" imap-tools==1.16.0
mkdir packages home
(cd packages && apt-get download -qq dovecot-core dovecot-imapd libexttextcat-2.0-0 liblua5.4-0 libsodium23 libstemmer0d libapparmor1 libunwind8 libwrap0 2>/dev/null && for package in *.deb; do dpkg-deb -x "$package" ..; done)
chmod -R a+rX .
as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
  chown nobody home
fi
cat >dovecot.conf <<CONF
mail_location = maildir:$work/home/mail
mail_plugin_dir = $work/usr/lib/dovecot/modules
base_dir = $work/home/run
first_valid_uid = 1
first_valid_gid = 0
ssl = no
stats_writer_socket_path =
CONF
cat >imap <<SERVER
#!/bin/sh
export LD_LIBRARY_PATH=$work/usr/lib/dovecot:$work/usr/lib/x86_64-linux-gnu HOME=$work/home USER=help
exec ${as[*]} $work/usr/bin/doveconf -f service=imap -m imap -c $work/dovecot.conf -e $work/usr/lib/dovecot/imap 2>>$work/errors
SERVER
chmod +x imap
cat >poll.py <<'PY'
import imaplib, os
from imap_tools import AND, BaseMailBox, U
server = os.path.abspath("imap")
plain = imaplib.IMAP4_stream(server)
def numbers(data):
    return " ".join((one or b"none").split(b" ")[0].decode() or "none" for one in data)
class Mailbox(BaseMailBox):
    def _get_mailbox_client(self):
        return imaplib.IMAP4_stream(server)
def polled(what):
    plain.select("INBOX")
    print(what)
    for range in ("5:*", "6:*", "1000:*", "6:4294967295"):
        print(f"  {range}: search {numbers(plain.uid('SEARCH', None, f'UID {range}')[1])}, fetch {numbers(plain.uid('FETCH', range, '(UID)')[1])}")
    box = Mailbox()
    box.folder.set("INBOX")
    print("  imap-tools, U('6', '*'):", [mail.uid for mail in box.fetch(AND(uid=U("6", "*")))] or "none")
def append(*which):
    for number in which:
        plain.append("INBOX", None, None, f"Subject: mail {number}\r\n\r\nHello.\r\n".encode())
polled("an empty mailbox")
append(1, 2, 3, 4, 5)
polled("five mails")
append(6, 7)
polled("two more")
PY
PYTHONPATH=$work/py python3 poll.py | tee seen
diff seen - <<'SEEN'
an empty mailbox
  5:*: search none, fetch none
  6:*: search none, fetch none
  1000:*: search none, fetch none
  6:4294967295: search none, fetch none
  imap-tools, U('6', '*'): none
five mails
  5:*: search 5, fetch 5
  6:*: search 5, fetch 5
  1000:*: search 5, fetch 5
  6:4294967295: search none, fetch none
  imap-tools, U('6', '*'): ['5']
two more
  5:*: search 5, fetch 5 6 7
  6:*: search 6, fetch 6 7
  1000:*: search 7, fetch 7
  6:4294967295: search 6, fetch 6 7
  imap-tools, U('6', '*'): ['6', '7']
SEEN
echo "as described"
