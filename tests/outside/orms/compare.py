"""Whether the site and Deskie hold the same: each message once, in order, of the right author, with its last text.
Usage: compare.py SITE BOOKS VERSION   (SITE: {"tickets": [row…], "messages": [row…]}, whatever the columns are called)"""
import collections
import json
import re
import sys

site, books, version = json.load(open(sys.argv[1])), json.load(open(sys.argv[2])), int(sys.argv[3])
number = re.compile(r"(?:ticket|message|answer) n(\d+)-(\d+)(?:\.(\d))?")
wrong = []


def said(values):
    found = [(match.group(0), value) for value in values if isinstance(value, str) for match in number.finditer(value)]
    return found[0] if found else None


def value(row, *names):
    return next((row[name] for name in names if row.get(name) is not None), None)


def place(name):
    """In what order the writer wrote it."""
    version, ticket, part = number.fullmatch(name).groups()
    return int(version), int(ticket), int(part or 0)


# What Deskie has of each: its case, its author, its text, as a message; and what it was told as a note.
there, notes = collections.defaultdict(list), set()
for case in books["cases"]:
    for message in case["messages"]:
        found = said([message["html"] + message["text"]])
        if found and message["note"]:
            notes.add(found[0])
        elif found:
            there[found[0]].append((case["case_id"], "agent" if message["staff_id"] else "customer", found[1]))

for name, copies in there.items():
    if len(copies) != 1:
        wrong.append(f"{len(copies)} times in Deskie: {name}")

first, gone, on_site = {}, set(), collections.Counter()
rows = [(row["id"], row) for row in site["tickets"]] + [(value(row, "ticketId", "ticket_id", "TicketId"), row) for row in site["messages"]]
for ticket, row in rows:
    found = said(row.values())
    if not found:
        continue
    name, text = found
    on_site[name] += 1
    author = "agent" if "staff" in {str(v).lower() for v in row.values()} or row.get("by_staff") else "customer"
    if value(row, "deletedAt", "deleted_at"):
        gone.add(name)
    if name not in there:
        if name not in gone:
            wrong.append(f"not in Deskie: {name}")
        continue
    case, by, in_deskie = there[name][0]
    if ticket is None:
        wrong.append(f"on no ticket: {name}")
    elif first.setdefault(ticket, case) != case:
        wrong.append(f"in the case of another ticket: {name}")
    if by != author:
        wrong.append(f"by the {by} in Deskie, by the {author} on the site: {name}")
    if in_deskie.strip() != text.strip() and name not in gone:
        wrong.append(f"{in_deskie!r} in Deskie, {text!r} on the site")

if len(set(first.values())) != len(first):
    wrong.append("tickets share a case")
for name, times in on_site.items():
    if times != 1:
        wrong.append(f"{times} times on the site: {name}")
for case in books["cases"]:
    names = [said([message["html"] + message["text"]]) for message in case["messages"] if not message["note"] and not message["staff_id"]]
    order = [place(name) for name in (found[0] for found in names if found)]
    if order != sorted(order):
        wrong.append(f"order: {order}")
for name in there:
    # The writer deletes the second message of each fourth ticket.
    if name not in on_site:
        gone.add(name)
        if not (name.startswith("message") and place(name)[1] % 4 == 1 and place(name)[2] == 2):
            wrong.append(f"not on the site: {name}")
untold = {name for name in gone & set(there) if name not in notes}
if untold:
    wrong.append(f"deleted, and Deskie was not told: {sorted(untold)}")
per_version = collections.Counter(place(name)[0] for name in there if name.startswith("ticket"))
for step in range(1, version + 1):
    if per_version[step] < 3:
        wrong.append(f"{per_version[step]} tickets of version {step}")
counted = collections.Counter(name.split(" ")[0] for name in on_site)
print(", ".join(f"{count} {kind}s" for kind, count in counted.items()), f"{len(gone)} deleted, {len(notes)} told", sep=", ")
print("\n".join(wrong))
sys.exit(bool(wrong))
