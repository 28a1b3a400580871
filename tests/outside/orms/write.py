"""What the site does; see write.js, which says the same in the other language."""
import signal
import time


def written(version, site, after=lambda: None):
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    count = 0
    while not stopped:
        count += 1
        number = f"{version}-{count}"
        try:
            ticket = site.ticket(number, f"person{count % 7}@example.com")
            message = site.message(ticket, f"message n{number}.2")
            time.sleep(0.4 if count % 8 < 4 else 0)
            if count % 4 == 0:
                site.edit(message, f"message n{number}.2, edited")
            if count % 4 == 1:
                site.remove(message)
            if count % 4 == 2:
                site.same(ticket)
            if count % 4 == 3:
                site.again(ticket)
        except Exception as error:  # What the database refuses in the middle of a migration is given up.
            print("refused:", str(error).split("\n")[0], flush=True)
        after()
        time.sleep(0.25)
