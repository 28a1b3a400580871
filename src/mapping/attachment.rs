//! Statements over `[[attachment]]`: the files of a message or of a ticket, one file by its key, and its bytes.
//!
//! A file's row is always the table's row as it is now: of attachment tables only the key is captured. `a` is its
//! alias; `t` with the ticket's joins, and `m` where it belongs to a message, are in scope.
//!
//! With `expand` a row holds a list of files. How they are told apart is in [`super::list`]; the content that names a file
//! without a name of its own is what `name` and its address, path or bytes are.

use super::list::{List, Numbered, idents, lateral};
use super::read::{self, Piece, Reading, Source, reads_beyond};
use super::shape::{EQUALS, Shape, quote_ident};
use super::{many, value_sql};
use crate::config::{Attachment, AttachmentOf, AttachmentSource, Expr, Message, Ticket};

/// The outputs of [`of_parent`] and [`by_key`], in order; `source` is an address, a path, or the number of bytes.
pub const FILE_OUTPUTS: [&str; 5] = ["key", "where", "name", "mime", "source"];

/// The tables that an attachment's statements stand on.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// `[ticket]` and its table.
    pub ticket: (&'a Ticket, &'a Shape),
    /// `[message]` and its table.
    pub message: Option<(&'a Message, &'a Shape)>,
}

impl<'a> Around<'a> {
    /// The table whose key `parent` gives; `None` where there is no message table, which the config has refused.
    pub fn parent(&self, config: &Attachment) -> Option<&'a Shape> {
        match config.of {
            AttachmentOf::Ticket => Some(self.ticket.1),
            AttachmentOf::Message => self.message.map(|(_, shape)| shape),
        }
    }
}

/// The expression that tells where the bytes are.
pub fn source(config: &Attachment) -> &Expr {
    match &config.source {
        AttachmentSource::Url(expr)
        | AttachmentSource::Path { path: expr, .. }
        | AttachmentSource::Bytes(expr) => expr,
    }
}

/// `column = parent`, for each key column of the parent.
fn belongs(config: &Attachment, shape: &Shape, parent: &Shape, alias: &str) -> String {
    let values: Vec<String> = config
        .parent
        .iter()
        .map(|expr| value_sql(expr, "a", shape))
        .collect();
    parent.key_joins(alias, &values)
}

/// All expressions of a section.
pub fn expressions(config: &Attachment) -> Vec<&Expr> {
    let single = [
        &config.join,
        &config.filter,
        &config.name,
        &config.mime,
        &config.expand,
    ];
    let single = single.into_iter().flatten();
    let lists = config.parent.iter().chain(&config.element);
    single.chain(lists).chain([source(config)]).collect()
}

/// The row, with everything that is in scope.
fn from_sql(config: &Attachment, shape: &Shape, around: &Around<'_>) -> String {
    let pieces = pieces(config, shape, around);
    let pieces: Vec<&str> = pieces.iter().map(|piece| piece.sql.as_str()).collect();
    pieces.join("\n")
}

/// All expressions that [`pieces`] stand on.
fn asked<'a>(config: &'a Attachment, around: &Around<'a>) -> Vec<&'a Expr> {
    let mut asked = expressions(config);
    asked.extend(&around.ticket.0.join);
    if let Some((message, _)) = around.message {
        asked.extend(message.ticket.iter().chain(&message.join));
    }
    asked
}

/// [`from_sql`], piece by piece.
pub(super) fn pieces<'a>(config: &'a Attachment, shape: &Shape, around: &Around<'a>) -> Vec<Piece<'a>> {
    let row = read::table_sql("a", shape, &asked(config, around));
    pieces_on(row, config, shape, around)
}

/// The same on a row from elsewhere.
fn pieces_on<'a>(row: String, config: &'a Attachment, shape: &Shape, around: &Around<'a>) -> Vec<Piece<'a>> {
    let plain = |sql: String| Piece { sql, own: None };
    let (ticket, tickets) = around.ticket;
    let asked = asked(config, around);
    let mut pieces = vec![plain(row)];
    pieces.extend(config.expand.iter().map(|list| Piece {
        sql: lateral(list),
        own: Some(list),
    }));
    let own = config.join.iter().map(|join| Piece {
        sql: join.sql.clone(),
        own: Some(join),
    });
    let own_first = config.parent.iter().any(|expr| reads_beyond("a", expr));
    let (first, last): (Vec<Piece>, Vec<Piece>) = own.partition(|_| own_first);
    pieces.extend(first);
    let tickets_sql = read::table_sql("t", tickets, &asked);
    match (config.of, around.message) {
        (AttachmentOf::Message, Some((message, messages))) => {
            pieces.push(plain(format!(
                "join {} on {}",
                read::table_sql("m", messages, &asked),
                belongs(config, shape, messages, "m")
            )));
            let joined = message.ticket.iter().any(read::needs_joins);
            let joins = message.join.iter().filter(|_| joined);
            pieces.extend(joins.map(|join| plain(join.sql.clone())));
            let on: Vec<String> = message
                .ticket
                .iter()
                .map(|expr| value_sql(expr, "m", messages))
                .collect();
            pieces.push(plain(format!(
                "join {tickets_sql} on {}",
                tickets.key_joins("t", &on)
            )));
        }
        _ => pieces.push(plain(format!(
            "join {tickets_sql} on {}",
            belongs(config, shape, tickets, "t")
        ))),
    }
    pieces.extend(ticket.join.iter().map(|join| plain(join.sql.clone())));
    pieces.extend(last);
    pieces
}

/// The outputs of a file behind its key, each with its name.
fn values(config: &Attachment, shape: &Shape) -> Vec<String> {
    let source = match &config.source {
        AttachmentSource::Bytes(expr) => format!(
            "pg_catalog.octet_length(({})::pg_catalog.bytea)::pg_catalog.text",
            value_sql(expr, "a", shape)
        ),
        _ => read::text(Some(source(config)), "a", shape),
    };
    vec![
        is_ours(config, shape),
        format!("{} as file_name", read::text(config.name.as_ref(), "a", shape)),
        format!("{} as file_mime", read::text(config.mime.as_ref(), "a", shape)),
        format!("{source} as file_source"),
    ]
}

fn is_ours(config: &Attachment, shape: &Shape) -> String {
    format!(
        "{} as is_ours",
        read::condition(config.filter.as_ref(), "a", shape)
    )
}

/// What [`values`] are called.
const VALUES: &str = "is_ours, file_name, file_mime, file_source";

/// The files of one message or ticket, whose key's texts are the parameters; the outputs are [`FILE_OUTPUTS`].
pub fn of_parent(config: &Attachment, shape: &Shape, around: &Around<'_>) -> Reading {
    all(config, shape, around, false, (values(config, shape), VALUES))
}

/// The same files, only whether `where` holds of each: for the case that another of their values is refused.
pub fn eligible(config: &Attachment, shape: &Shape, around: &Around<'_>) -> Reading {
    let asked = (vec![is_ours(config, shape)], "is_ours");
    all(config, shape, around, true, asked)
}

/// Which of many messages or tickets have any file at all, whatever `where` says of it: an array of texts for each column of
/// their keys.
pub fn any_of_parents(config: &Attachment, shape: &Shape, around: &Around<'_>) -> Reading {
    let (parent, alias) = parent_of_all(config, around);
    let sql = format!(
        "select 'true'\nfrom {}\nwhere {}\nlimit 1",
        from_sql(config, shape, around),
        parent.key_is_text(alias, |n| many::value(n + 1))
    );
    many::reading(&sql, parent.key.clone())
}

/// What the files belong to, and its alias.
fn parent_of_all<'a>(config: &Attachment, around: &Around<'a>) -> (&'a Shape, &'static str) {
    match (config.of, around.message) {
        (AttachmentOf::Message, Some((_, messages))) => (messages, "m"),
        _ => (around.ticket.1, "t"),
    }
}

/// One row a file, in the order of their rows and of the list; `each_once`: what a join repeats is one.
fn all(
    config: &Attachment,
    shape: &Shape,
    around: &Around<'_>,
    each_once: bool,
    (mut outputs, names): (Vec<String>, &str),
) -> Reading {
    let (parent, alias) = parent_of_all(config, around);
    let condition = parent.key_condition(alias, 1);
    let from = from_sql(config, shape, around);
    let (row, mut order) = typed_key(shape);
    outputs.extend(row);
    let mut found = if config.expand.is_some() {
        order.push_str(", place");
        numbered(config, shape, &from, &condition, &outputs)
    } else {
        outputs.insert(0, format!("{} as key", shape.key_sql("a")));
        format!(
            "(select {}\nfrom {from}\nwhere {condition}) f",
            outputs.join(",\n  ")
        )
    };
    if each_once {
        found = format!("(select distinct key, {names}, {order}\nfrom {found}) f");
    }
    Reading {
        sql: format!("select key, {names}\nfrom {found}\norder by {order}"),
        columns: parent.key.clone(),
    }
}

/// The columns of the row's key as outputs, to order by, and what they are called.
fn typed_key(shape: &Shape) -> (Vec<String>, String) {
    let output = |(n, column): (usize, &String)| format!("a.{} as row_{n}", quote_ident(column));
    let names: Vec<String> = (0..shape.key.len()).map(|n| format!("row_{n}")).collect();
    (
        shape.key.iter().enumerate().map(output).collect(),
        names.join(", "),
    )
}

fn list(config: &Attachment) -> List<'_> {
    List {
        alias: "a",
        expand: config.expand.as_ref(),
        key: &config.element,
    }
}

/// The files of rows that hold lists, as [`List::numbered`].
fn numbered(config: &Attachment, shape: &Shape, from: &str, condition: &str, outputs: &[String]) -> String {
    let list = list(config);
    // What has neither a name nor a place of its own is no file: an empty list under an outer join, `null` in a list.
    let there: Vec<String> = list
        .own_parts(shape)
        .chain(&config.name)
        .chain([source(config)])
        .map(|expr| format!("{} is not null", value_sql(expr, "a", shape)))
        .collect();
    let content = [
        read::text(config.name.as_ref(), "a", shape),
        match &config.source {
            AttachmentSource::Bytes(expr) => format!(
                "pg_catalog.encode(pg_catalog.sha256(({})::pg_catalog.bytea), 'hex')",
                value_sql(expr, "a", shape)
            ),
            _ => read::text(Some(source(config)), "a", shape),
        },
    ];
    list.numbered(
        shape,
        &Numbered {
            from,
            condition: &format!("({}) and ({condition})", there.join(" or ")),
            place: list.place_sql(shape),
            identity: &list.identity(shape, &content),
            outputs,
        },
    )
}

/// The row with its list, and with the joins where telling the files apart takes them.
fn list_sql(row: String, config: &Attachment, shape: &Shape, around: &Around<'_>) -> String {
    let expand: Vec<&Expr> = config.expand.iter().collect();
    let aliases = expand.iter().flat_map(|list| idents(&list.sql));
    let aliases: std::collections::HashSet<String> = aliases.map(|(name, _)| name).collect();
    let named = config.element.iter().chain(&config.name).chain([source(config)]);
    let needs_joins = named
        .flat_map(|expr| idents(&expr.sql))
        .any(|(name, dotted)| dotted && name != "a" && !aliases.contains(&name));
    let pieces = pieces_on(row, config, shape, around);
    let count = if needs_joins {
        pieces.len()
    } else {
        1 + expand.len()
    };
    let pieces: Vec<&str> = pieces
        .iter()
        .take(count)
        .map(|piece| piece.sql.as_str())
        .collect();
    pieces.join("\n")
}

/// With `expand`, the keys of the files of one row, in their order; `None` without it.
pub fn of_row(config: &Attachment, shape: &Shape, around: &Around<'_>, source: Source) -> Option<Reading> {
    config.expand.as_ref()?;
    let (row, columns) = read::source_sql(source, "a", shape, &asked(config, around));
    let from = list_sql(row, config, shape, around);
    let found = numbered(config, shape, &from, "true", &[]);
    Some(Reading {
        sql: format!("select key from {found} group by key, place order by place"),
        columns,
    })
}

/// Notes all files that stand in lists of the table as known, in `links`, under their section's name in
/// [`crate::files::Attached::source`].
pub fn baseline(
    config: &Attachment,
    shape: &Shape,
    around: &Around<'_>,
    (links, source): (&str, &str),
) -> String {
    noted(config, shape, around, (links, source), "true")
}

/// The same row by row, for a table that holds what is no list: such a row has no files yet.
pub fn baseline_by_row(
    config: &Attachment,
    shape: &Shape,
    around: &Around<'_>,
    (links, source): (&str, &str),
) -> String {
    let casts = shape.key_casts();
    let values: Vec<String> = (0..casts.len())
        .zip(&casts)
        .map(|(n, cast)| format!("deskie_cdc_row.k{n}::{cast}"))
        .collect();
    let columns: Vec<String> = shape
        .key
        .iter()
        .enumerate()
        .map(|(n, column)| format!("s.{}::pg_catalog.text as k{n}", quote_ident(column)))
        .collect();
    let insert = noted(
        config,
        shape,
        around,
        (links, source),
        &shape.key_is("a", &values),
    );
    format!(
        "do $deskie_cdc$ declare deskie_cdc_row record; begin
           for deskie_cdc_row in select {} from {} s loop
             begin {insert};
             exception when data_exception then null;
             end;
           end loop;
         end $deskie_cdc$",
        columns.join(", "),
        shape.sql()
    )
}

fn noted(
    config: &Attachment,
    shape: &Shape,
    around: &Around<'_>,
    (links, source): (&str, &str),
    condition: &str,
) -> String {
    let row = read::table_sql("a", shape, &asked(config, around));
    let from = list_sql(row, config, shape, around);
    let found = numbered(config, shape, &from, condition, &[]);
    let source = source.replace('\'', "''");
    let of_source = |key: &str| format!("'{source} ' OPERATOR(pg_catalog.||) {key}");
    format!(
        "insert into {links} (section, key, state, reason, row_key)
         select distinct 'attachment', {}, 'skipped', '{}', {} from {found} on conflict do nothing",
        of_source("key"),
        super::expand::BASELINE,
        of_source("row_key"),
    )
}

/// What the names of files in lists depend on: with another one all of them would look new. `None` without `expand`.
pub fn signature(config: &Attachment) -> Option<String> {
    let expand = config.expand.as_ref()?;
    let table = format!("{:?}.{}", config.table.schema, config.table.table);
    let named = config.element.iter().chain(&config.name).chain([source(config)]);
    let mut parts = vec![table.as_str(), expand.sql.trim()];
    parts.extend(named.map(|expr| expr.sql.trim()));
    Some(parts.join("\n"))
}

/// One file by its key; the outputs are [`FILE_OUTPUTS`]. No row: it is gone, or belongs to nothing any more.
pub fn by_key(config: &Attachment, shape: &Shape, around: &Around<'_>) -> Reading {
    let mut outputs = values(config, shape);
    if config.expand.is_some() {
        return one(config, shape, around, (outputs, &format!("key, {VALUES}")));
    }
    outputs.insert(0, shape.key_sql("a"));
    one(config, shape, around, (outputs, ""))
}

/// The bytes of one file by its key, where they are in the database.
pub fn content(config: &Attachment, shape: &Shape, around: &Around<'_>) -> Option<Reading> {
    let AttachmentSource::Bytes(expr) = &config.source else {
        return None;
    };
    let bytes = format!("({})::pg_catalog.bytea as content", value_sql(expr, "a", shape));
    Some(one(config, shape, around, (vec![bytes], "content")))
}

fn one(
    config: &Attachment,
    shape: &Shape,
    around: &Around<'_>,
    (outputs, names): (Vec<String>, &str),
) -> Reading {
    let from = from_sql(config, shape, around);
    let condition = shape.key_condition("a", 1);
    let sql = if config.expand.is_some() {
        let found = numbered(config, shape, &from, &condition, &outputs);
        let key = shape.key.len() + 1;
        format!("select {names}\nfrom {found}\nwhere key {EQUALS} ${key}::pg_catalog.text\nlimit 2")
    } else {
        format!(
            "select {}\nfrom {from}\nwhere {condition}\nlimit 2",
            outputs.join(",\n  ")
        )
    };
    Reading {
        sql,
        columns: shape.key.clone(),
    }
}

/// The key of what a file belongs to, by the file's key: one output for each key column, evaluated alone, since what it
/// belongs to may not be there yet.
pub fn parent_of(config: &Attachment, shape: &Shape, parent: &Shape) -> Reading {
    let keys: Vec<String> = config
        .parent
        .iter()
        .zip(parent.key_casts())
        .map(|(expr, cast)| format!("({})::{cast}", value_sql(expr, "a", shape)))
        .collect();
    let (outputs, own) = parent.keys_as_written(&keys);
    let joined = config.parent.iter().any(|expr| reads_beyond("a", expr));
    let join = config.join.as_ref().filter(|_| joined);
    Reading {
        sql: format!(
            "select {}\nfrom {}\n{}\n{own}\nwhere {}\nlimit 2",
            outputs.join(", "),
            read::table_sql("a", shape, &expressions(config)),
            join.map_or("", |join| join.sql.as_str()),
            shape.key_condition("a", 1)
        ),
        columns: shape.key.clone(),
    }
}
