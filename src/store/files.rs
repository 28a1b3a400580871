//! Files that travel with deliveries. A file has a link of its own (rule 5); the delivery that takes it along names it in
//! `files`, and one that comes too late for its message is a delivery of act `file`, a message of its own.
//!
//! A parked file holds up nothing: what comes behind it goes on, and it follows when it is tried again.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Delivery, Files, Step, Store, StoreError, word};
use crate::model::{DeliveryId, Kind, LaneId, LinkId};
use crate::text::Body;

/// A file that goes with a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// Its row.
    pub link: LinkId,
    /// The section of the config that it is of, see `files::Attached::source`.
    pub source: String,
    /// The key of its row.
    pub key: String,
    pub name: String,
    /// Its size, once it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// It is too large for Deskie and goes as a link in the text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_link: bool,
}

impl Delivery {
    /// The rows of the files that go along.
    pub(super) fn file_links(&self) -> Vec<i64> {
        self.files.iter().map(|file| file.link.0).collect()
    }

    /// The files that are sent as such, as [`crate::text::same_files`] wants them.
    pub fn told_files(&self) -> Vec<crate::text::Told<'_>> {
        let sent = self.files.iter().filter(|file| !file.is_link);
        sent.map(|file| (file.name.as_str(), file.size)).collect()
    }
}

/// A file that becomes a message of its own.
#[derive(Debug, Clone)]
pub struct NewFile<'a> {
    /// Its place in the lane: the event that brought it.
    pub position: i64,
    pub ticket_id: LaneId,
    /// Who sent it.
    pub author: Kind,
    /// Its name as a text.
    pub body: &'a Body,
    pub file: &'a FileRef,
    /// When it was committed, in seconds since 1970.
    pub at: i64,
}

/// What became of a delivery's files right before the call.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    /// They go with it.
    pub files: Vec<FileRef>,
    /// Its body, with links where files are too large.
    pub body: Body,
    /// They cannot be had, each with the reason.
    pub parked: Vec<(FileRef, String)>,
    /// They do not fit, and go with a message of their own right behind.
    pub rest: Vec<FileRef>,
    /// The site deleted them.
    pub gone: Vec<FileRef>,
}

/// What `link.reason` says of a file that waits and whose row was changed.
const CHANGED: &str = "its row was changed";

const ADD: &str = "insert into {s}.delivery
        (position, ticket_id, link_id, section, act, backfill, part, author, body, files, written_at, state, error)
    select $1, $2, $3, 'attachment', 'file', $4,
        greatest((select max(part) from {s}.delivery where link_id = $3), $5) + 1, $6, $7, $8, $9, $10, $11";

fn json<T: Serialize>(value: &T) -> Result<Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Damaged(error.to_string()))
}

impl Files<'_, Step<'_>> {
    /// The greatest key that is known of a section's files, where keys are numbers.
    pub async fn greatest_number(self, source: &str) -> Result<Option<i64>, StoreError> {
        let sql = "select max(number::int8) from (select substr(key, length($1) + 1) as number from {s}.link
                where section = 'attachment' and starts_with(key, $1) offset 0) found
            where number ~ '^[0-9]{1,18}$'";
        let rows = self.0.query(sql, &[&format!("{source} ")]).await?;
        Ok(rows.first().and_then(|row| row.get(0)))
    }

    /// The name under which a file went to Deskie, where the row that it went with is there.
    pub async fn sent_as(self, file: LinkId) -> Result<Option<String>, StoreError> {
        let sql = "select f->>'name' from {s}.link l
            join {s}.delivery d on d.ticket_id = l.ticket_id and d.state = 'delivered'
            join {s}.link m on m.id = d.link_id and (not m.gone or m.id = l.id)
            cross join jsonb_array_elements(d.files) f
            where l.id = $1 and l.state = 'delivered' and (f->>'link')::int8 = $1 limit 1";
        let rows = self.0.query(sql, &[&file.0]).await?;
        Ok(rows.first().and_then(|row| row.get(0)))
    }

    /// The site emptied an attachment table in the transaction `xid`.
    pub async fn set_all_gone(self, source: &str, xid: u64) -> Result<(), StoreError> {
        let sql = "update {s}.link set gone = true, gone_xid = $2::text::xid8
            where section = 'attachment' and starts_with(key, $1)
              and (not gone or (row_key is not null and gone_xid is null))";
        self.0
            .execute(sql, &[&format!("{source} "), &xid.to_string()])
            .await?;
        Ok(())
    }

    /// The site changed the key of a row that holds files from `old` to these values; `source` as in [`FileRef`].
    pub async fn rename_row(self, source: &str, old: &str, new: &[String]) -> Result<(), StoreError> {
        let sql = "update {s}.link l set row_key = $1 || ' ' || $3, key = renamed.key, generation = coalesce(
                (select max(o.generation) from {s}.link o where o.section = 'attachment' and o.key = renamed.key), 0) + 1
            from (select o.id, $1 || ' ' || (select jsonb_agg(v order by part, n)::text from (
                        select 0 as part, n, v from jsonb_array_elements($4::jsonb) with ordinality as a (v, n)
                        union all
                        select 1, n, v from jsonb_array_elements(substr(o.key, length($1) + 2)::jsonb)
                            with ordinality as b (v, n) where n > jsonb_array_length($4::jsonb)) parts) as key
                  from {s}.link o where o.section = 'attachment' and o.row_key = $1 || ' ' || $2
                    and (not o.gone or o.gone_xid is null)) renamed
            where l.id = renamed.id";
        let row = crate::mapping::shape::key_text(new);
        self.0
            .execute(sql, &[&source, &old, &row, &serde_json::json!(new)])
            .await?;
        Ok(())
    }

    /// What a delivery took along is free again.
    pub async fn release(self, id: DeliveryId) -> Result<(), StoreError> {
        let sql = "with d as (select files from {s}.delivery where id = $1 and files is not null),
            l as (update {s}.link set state = 'seen', reason = null where state = 'queued' and id in
                (select (f->>'link')::int8 from d, jsonb_array_elements(d.files) f))
            update {s}.delivery set files = null where id = $1 and files is not null";
        self.0.execute(sql, &[&id.0]).await?;
        Ok(())
    }

    /// The same for what the site deleted before it was sent; who else could open the case looks for its files again.
    pub async fn release_of(self, link: LinkId) -> Result<(), StoreError> {
        let sql = "with d as (update {s}.delivery set files = null where link_id = $1 and state = 'skipped'
                and files is not null returning ticket_id),
            f as (select o.files from {s}.delivery o where o.link_id = $1 and o.state = 'skipped'),
            l as (update {s}.link set state = 'seen', reason = null where state = 'queued' and id in
                (select (x->>'link')::int8 from f, jsonb_array_elements(f.files) x))
            update {s}.delivery set state = 'unresolved', not_before = now()
            where ticket_id in (select ticket_id from d) and state = 'queued' and intent_at is null and opening is not null
              and act = 'message' and part = 1 and parts = 1 and image is not null";
        self.0.execute(sql, &[&link.0]).await?;
        Ok(())
    }

    /// Whether a message's files were looked for already, and as whom it goes: what comes now is late.
    pub async fn late_for(self, message: LinkId) -> Result<Option<Kind>, StoreError> {
        let sql = "select author from {s}.delivery
            where link_id = $1 and act = 'message' and author is not null
              and state in ('queued', 'sending', 'doubt', 'delivered', 'parked') limit 1";
        let rows = self.0.query(sql, &[&message.0]).await?;
        rows.first().map(|row| word(row, "author")).transpose()
    }

    /// The same for a ticket: it has its case, or what opens it is on its way.
    pub async fn late_for_ticket(self, ticket: LaneId) -> Result<bool, StoreError> {
        let sql = "select case_id is not null or exists (select from {s}.delivery d where d.ticket_id = t.id
                and d.opening is not null and d.state in ('queued', 'sending', 'doubt', 'delivered', 'parked'))
            from {s}.ticket t where id = $1";
        let rows = self.0.query(sql, &[&ticket]).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// A late file becomes a message of its own.
    pub async fn queue(self, new: &NewFile<'_>) -> Result<(), StoreError> {
        let (body, files) = (json(new.body)?, json(&[new.file])?);
        let none: Option<&str> = None;
        self.0
            .execute(
                ADD,
                &[
                    &new.position,
                    &new.ticket_id,
                    &new.file.link.0,
                    &false,
                    &0i32,
                    &new.author.as_str(),
                    &body,
                    &files,
                    &new.at,
                    &"queued",
                    &none,
                ],
            )
            .await?;
        Ok(())
    }

    /// Drops what the site deleted before it was sent, where it was to be a message of its own.
    pub async fn drop_unsent(self, link: LinkId, reason: &str) -> Result<u64, StoreError> {
        let sql = "update {s}.delivery set state = 'skipped', error = $2, done_at = now()
            where link_id = $1 and act = 'file' and jsonb_array_length(files) = 1 and doubt_since is null
              and (state = 'parked' or (state = 'queued' and intent_at is null))";
        self.0.execute(sql, &[&link.0, &reason]).await
    }

    /// The site changed the row of a file that waits: should it be parked for what was read before, it is tried once more.
    pub async fn changed(self, link: LinkId) -> Result<(), StoreError> {
        let sql = "update {s}.link set reason = $2 where id = $1 and state = 'queued'";
        self.0.execute(sql, &[&link.0, &CHANGED]).await?;
        Ok(())
    }

    /// Whether it was changed since; that is settled then.
    async fn was_changed(self, link: LinkId) -> Result<bool, StoreError> {
        let sql = "update {s}.link set reason = null where id = $1 and state = 'queued' and reason = $2";
        Ok(self.0.execute(sql, &[&link.0, &CHANGED]).await? > 0)
    }

    /// A message of its own that is nothing but a file cannot be sent without it; false where it is tried once more.
    pub async fn park(self, delivery: &Delivery, why: &str) -> Result<bool, StoreError> {
        if self.was_changed(delivery.link).await? {
            let sql = "update {s}.delivery set not_before = now(), waits_since = now() - interval '100 years'
                where id = $1 and state = 'queued'";
            self.0.execute(sql, &[&delivery.id.0]).await?;
            return Ok(false);
        }
        self.0.deliveries().park(delivery.id, why).await?;
        self.0
            .journal()
            .add(Some(delivery.ticket_id), "file parked", why)
            .await?;
        Ok(true)
    }

    /// The site changed the row of a parked file: it is tried again. It has been waited for long enough, and holds up
    /// nothing now.
    pub async fn retry(self, link: LinkId) -> Result<(), StoreError> {
        let sql = "with d as (update {s}.delivery set state = 'queued', not_before = now(), attempts = 0,
                    waits_since = now() - interval '100 years'
                where link_id = $1 and act = 'file' and state = 'parked' and doubt_since is null and intent_at is null
                returning link_id)
            update {s}.link set state = 'queued', reason = null where id in (select link_id from d)";
        self.0.execute(sql, &[&link.0]).await?;
        Ok(())
    }

    /// Writes down what goes with a delivery before its call, and what becomes of the rest; false where it is not
    /// queued any more.
    pub async fn prepared(self, delivery: &Delivery, done: &Prepared) -> Result<bool, StoreError> {
        let (files, body) = (json(&done.files)?, json(&done.body)?);
        let sql = "update {s}.delivery set files = $2, body = $3, waits_since = null where id = $1 and state = 'queued' and resolved_at = $4";
        if self
            .0
            .execute(sql, &[&delivery.id.0, &files, &body, &delivery.resolved_at])
            .await?
            != 1
        {
            return Ok(false);
        }
        let set = "update {s}.link set state = $2, reason = $3 where id = $1";
        for file in &done.gone {
            let why = Some("deleted before it was sent");
            self.0.execute(set, &[&file.link.0, &"skipped", &why]).await?;
        }
        for (file, why) in &done.parked {
            if self.was_changed(file.link).await? {
                self.add(delivery, std::slice::from_ref(file), "queued", None)
                    .await?;
                let sql = "update {s}.delivery set waits_since = now() - interval '100 years'
                    where link_id = $1 and act = 'file' and state = 'queued'";
                self.0.execute(sql, &[&file.link.0]).await?;
                continue;
            }
            self.add(delivery, std::slice::from_ref(file), "parked", Some(why))
                .await?;
            self.0
                .execute(set, &[&file.link.0, &"parked", &Some(why.as_str())])
                .await?;
            self.0
                .journal()
                .add(Some(delivery.ticket_id), "file parked", why)
                .await?;
        }
        if !done.rest.is_empty() {
            self.add(delivery, &done.rest, "queued", None).await?;
        }
        Ok(true)
    }

    /// A file that went with a delivery and that Deskie does not have: it waits for a person, alone. Tried again, it goes as
    /// a message of its own.
    pub async fn lost(self, delivery: &Delivery, file: &FileRef, why: &str) -> Result<(), StoreError> {
        let error = why.to_owned();
        self.add(delivery, std::slice::from_ref(file), "parked", Some(&error))
            .await?;
        let set = "update {s}.link set state = 'parked', reason = $2 where id = $1";
        self.0.execute(set, &[&file.link.0, &why]).await?;
        self.0
            .journal()
            .add(Some(delivery.ticket_id), "file parked", why)
            .await
    }

    async fn add(
        self,
        behind: &Delivery,
        files: &[FileRef],
        state: &str,
        error: Option<&String>,
    ) -> Result<(), StoreError> {
        let Some(first) = files.first() else { return Ok(()) };
        let sql = "select position from {s}.delivery where id = $1";
        let rows = self.0.query(sql, &[&behind.id.0]).await?;
        let position: i64 = rows.first().map_or(0, |row| row.get(0));
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        let body = json(&crate::text::names_of_files(&names))?;
        self.0
            .execute(
                ADD,
                &[
                    &position,
                    &behind.ticket_id,
                    &first.link.0,
                    &behind.backfill,
                    &behind.part,
                    &behind.author.as_str(),
                    &body,
                    &json(&files)?,
                    &behind.written_at,
                    &state,
                    &error,
                ],
            )
            .await?;
        Ok(())
    }
}

impl Files<'_, Store> {
    /// A delivery waits for its turn.
    pub async fn later(self, id: DeliveryId, after: std::time::Duration) -> Result<(), StoreError> {
        let sql = "update {s}.delivery set not_before = clock_timestamp() + make_interval(secs => $2)
            where id = $1 and state = 'queued' and (select {s}.fence($3))";
        self.0
            .execute(sql, &[&id.0, &after.as_secs_f64(), &self.0.epoch().0])
            .await?;
        Ok(())
    }

    /// A delivery waits for its files.
    pub async fn wait(self, id: DeliveryId, why: &str, after: std::time::Duration) -> Result<(), StoreError> {
        let sql =
            "update {s}.delivery set error = $2, waits_since = coalesce(waits_since, clock_timestamp()),
                not_before = clock_timestamp() + make_interval(secs => $3)
            where id = $1 and state = 'queued' and (select {s}.fence($4))";
        self.0
            .execute(sql, &[&id.0, &why, &after.as_secs_f64(), &self.0.epoch().0])
            .await?;
        Ok(())
    }
}
