//! A case born in Deskie becomes a ticket of the site: `[case]`, in one pipelined transaction that also links it.
//!
//! The case costs two reads, once: its customer and its messages. With `open_on = "ticket"` the first message goes into
//! the ticket by the statements' `:text` and `:html`, and is thereby written; all others flow as replies.

use std::time::Duration;

use super::WriteBack;
use super::files::Ready;
use super::gate::Meaning;
use super::pipeline::{Claim, Planned, begin, run_all, text};
use super::refusal::WriteError;
use super::write::{ALREADY, prepare};
use super::writer::WrittenBy;
use crate::config::OpenOn;
use crate::deskie::{CallError, Message, Order, Outcome, User, Writer};
use crate::lanes::{Class, Cost, backoff};
use crate::mapping::shape::Shape;
use crate::mapping::write::TICKET_SETTING;
use crate::mapping::{Parameters, Statement, write};
use crate::model::CrashPoint;
use crate::postgres::TextParam;
use crate::postgres::shape::load_shape;
use crate::store::{Birth, Opening, Payload, StoreError, UNHELD};

/// Why a case did not become a ticket.
enum Failed {
    Call(CallError),
    Write(WriteError),
    Store(StoreError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Failed {
        Failed::Store(error)
    }
}

impl From<WriteError> for Failed {
    fn from(error: WriteError) -> Failed {
        Failed::Write(error)
    }
}

/// A case is listed before its first message now and then; a call or a chat may never have one. So often it is waited for,
/// about a quarter of a minute.
const MESSAGE_ATTEMPTS: i32 = 4;

const NO_MESSAGE: &str = "Deskie shows no message of it yet";

impl WriteBack {
    /// Makes tickets of the cases that wait for it; true where something was tried.
    pub async fn birth_round(&self) -> Result<bool, StoreError> {
        if self.config.case.is_none() || self.case_gate.is_shut() {
            return Ok(false);
        }
        let heads = self.store.births().heads(8).await?;
        let some = !heads.is_empty();
        for birth in heads {
            let case = birth.case_id;
            let mut born = self.bear(&birth).await;
            if let Err(Failed::Write(WriteError::Stale(_))) = born {
                self.forget_statements().await;
                born = self.bear(&birth).await;
            }
            let error = match born {
                Ok(()) => {
                    CrashPoint::BirthMade.reached();
                    self.case_gate.passed(case.0, "", &self.store).await?;
                    tracing::info!(%case, "a case born in Deskie became a ticket");
                    self.store.wake.lanes.notify_one();
                    continue;
                }
                Err(error) => error,
            };
            let (text, parks) = match error {
                Failed::Store(error) => return Err(error),
                Failed::Write(WriteError::NotLeader) => return Ok(false),
                Failed::Write(WriteError::Already | WriteError::Unsure) => continue,
                Failed::Write(WriteError::Passing(text) | WriteError::Locked(text)) => (text, false),
                Failed::Write(WriteError::Taken { text, .. }) => match self.case_gate.clashed(case.0) {
                    Some(after) => {
                        tracing::warn!(%case, "the case is tried again: {text}");
                        self.store.births().retry(case, &text, after).await?;
                        continue;
                    }
                    None => (text, true),
                },
                // Its files are a part of their own; numbers of cases are none of messages.
                Failed::Write(WriteError::Folder(text)) => {
                    let meaning = self.files_gate.refused((-case.0, ""), &text, &self.store).await?;
                    (text, meaning == Meaning::Own)
                }
                Failed::Write(WriteError::Mapping(text) | WriteError::Stale(text)) => {
                    self.forget_statements().await;
                    match self.case_gate.refused((case.0, ""), &text, &self.store).await? {
                        Meaning::Stopped => return Ok(false),
                        Meaning::Again => (text, false),
                        Meaning::Own => (text, true),
                    }
                }
                Failed::Write(
                    WriteError::Refused(text)
                    | WriteError::Hidden(text)
                    | WriteError::Missed(text)
                    | WriteError::Value { text, .. }
                    | WriteError::NoValue { text, .. },
                ) => (text, true),
                Failed::Call(error) => {
                    let text = format!("{error}; {}", error.remedy());
                    (text, error.outcome() == Outcome::Refused)
                }
            };
            if parks {
                tracing::error!(%case, "the case is parked: {text}; `deskie-cdc failed show c{case}`");
                self.store.births().park(case, &text).await?;
            } else {
                tracing::warn!(%case, "the case could not become a ticket yet: {text}");
                let after = backoff::retry_delay(birth.attempts.unsigned_abs() + 1, rand::random());
                self.store
                    .births()
                    .retry(case, &text, after.min(Duration::from_secs(60)))
                    .await?;
            }
        }
        Ok(some)
    }

    async fn bear(&self, birth: &Birth) -> Result<(), Failed> {
        // A mapping that does not fit is told before anything is asked of Deskie.
        let (tickets, statements, files) = self.statements_of_case().await?;
        let user = self.customer(birth).await?;
        let call = self.meter.acquire(Class::WebhookRead, Cost::Read).await;
        let answer = self.client.messages(birth.case_id, Order::Asc, 1, 100).await;
        self.meter.settle(call, &answer);
        let messages = answer.map_err(Failed::Call)?.value.items;
        let first = messages
            .iter()
            .find(|message| matches!(message.author(), Writer::Customer(_) | Writer::Staff(_)));
        if first.is_none() && birth.attempts < MESSAGE_ATTEMPTS {
            return Err(Failed::Write(WriteError::Passing(NO_MESSAGE.to_owned())));
        }
        let mut opening = Opening {
            subject: birth.subject.clone(),
            email: Some(birth.recipient.clone()).filter(|address| address.contains('@')),
            status: None,
            ..Opening::default()
        };
        if let Some(user) = &user {
            opening.email = user.email.clone().or(opening.email);
            opening.phone.clone_from(&user.phone);
            opening.custom_id.clone_from(&user.custom_id);
            opening.name = Some(user.full_name.clone()).filter(|name| !name.is_empty());
        }
        self.store.births().set_opening(birth.case_id, &opening).await?;
        let of_ticket = first.filter(|_| self.config.ticket.open_on == OpenOn::Ticket);
        // Statements about files that speak of a message's row cannot tell of a ticket's: links they are, then.
        let as_links = files.is_none() || self.files_are_links();
        let parameters = self.birth_parameters(birth, &opening, first, as_links).await?;
        let ready = match (of_ticket, &files) {
            (Some(message), Some(files)) => {
                let payload = Payload::of(message);
                self.ready_files(
                    message.message_id,
                    birth.attempts,
                    &payload.attachments,
                    files,
                    &parameters,
                )
                .await?
            }
            _ => Ready::default(),
        };
        let files = files.unwrap_or_default();
        let all: Vec<Statement> = statements.iter().chain(&files).cloned().collect();
        let files = (files, &ready);
        let made = self
            .make_ticket(birth, &opening, first, &parameters, (tickets, statements), files)
            .await;
        let made = match made {
            Ok(()) => Ok(()),
            Err(error) => {
                let statements: Vec<&Statement> = all.iter().collect();
                Err(self.of_sequence(error.of_statements(&all), &statements).await)
            }
        };
        if made.as_ref().is_err_and(WriteError::is_refusal) {
            crate::files::forget(ready.stored).await;
        }
        Ok(made?)
    }

    async fn customer(&self, birth: &Birth) -> Result<Option<User>, Failed> {
        let Some(user) = birth.user_id else {
            return Ok(None);
        };
        let call = self.meter.acquire(Class::WebhookRead, Cost::Read).await;
        let answer = self.client.user(user).await;
        self.meter.settle(call, &answer);
        match answer {
            Ok(answer) => Ok(Some(answer.value)),
            // A profile that is gone: the case is there all the same.
            Err(error) if error.outcome() == Outcome::Refused => Ok(None),
            Err(error) => Err(Failed::Call(error)),
        }
    }

    async fn birth_parameters(
        &self,
        birth: &Birth,
        opening: &Opening,
        first: Option<&Message>,
        as_links: bool,
    ) -> Result<Parameters, WriteError> {
        let mut parameters = Parameters::default();
        let mut set = |name: &str, value: Option<String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                parameters.set(name, value);
            }
        };
        let status = self
            .config
            .status
            .as_ref()
            .and_then(|status| status.map.get(&birth.status));
        set("status", Some(status.unwrap_or(&birth.status).clone()));
        set("case_id", Some(birth.case_id.to_string()));
        set("case_number", Some(birth.case_number.clone()));
        set("subject", Some(birth.subject.clone()));
        let created_at = birth.created_at.or(first.and_then(|message| message.created_at));
        let created_at = created_at.unwrap_or_else(crate::model::clock::now);
        set("created_at", Some(created_at.to_string()));
        if let Some(message) = first {
            let payload = Payload::of(message);
            let body = self
                .body(None, &format!("case {}", birth.case_id), &payload, as_links)
                .await?;
            set("markdown", Some(WriteBack::markdown(&body).await));
            set("text", Some(body.text));
            set("html", Some(body.html));
            set("message_id", Some(message.message_id.to_string()));
            set("via_rule", Some(message.sent_via_rule.to_string()));
            let kind = if message.staff_id.is_some() {
                "agent"
            } else {
                "customer"
            };
            set("kind", Some(kind.to_owned()));
            let files: Vec<serde_json::Value> = payload
                .attachments
                .iter()
                .map(|file| serde_json::json!({"name": file.safe_name(), "url": file.url, "mime": file.mime}))
                .collect();
            set("attachments", Some(serde_json::Value::Array(files).to_string()));
        }
        let by = WrittenBy {
            staff: first.and_then(|message| message.staff_id).map(|id| id.0),
            user: first.and_then(|message| message.user_id).map(|id| id.0),
            customer: birth.user_id,
        };
        // A name that cannot be had now holds up no ticket.
        let named = self.set_writer(&mut parameters, &by, opening, i32::MAX).await;
        if let Err(error) = named {
            tracing::warn!(case = %birth.case_id, "the writer's name is not known: {error}");
        }
        Ok(parameters)
    }

    /// The ticket table, the statements of `[case]`, and those for the files of the first message, where there can be
    /// any.
    async fn statements_of_case(
        &self,
    ) -> Result<(Shape, Vec<Statement>, Option<Vec<Statement>>), WriteError> {
        let client = self
            .site
            .get()
            .await
            .map_err(|error| WriteError::Passing(error.to_string()))?;
        let tickets = load_shape(&client, &self.config.ticket.table, &self.config.ticket.key).await?;
        let mut names = write::reply_names(&tickets, None);
        names.retain(|name| name != "ticket" && !name.starts_with("ticket_"));
        let mut statements = Vec::new();
        for expr in self.config.case.iter().flat_map(|case| &case.sql) {
            let mut statement = write::statement(expr, &names, None)
                .map_err(|fault| WriteError::Refused(format!("{}: {fault}", expr.name)))?;
            prepare(&client, &mut statement).await?;
            statements.push(statement);
        }
        let mut files = match &self.config.reply {
            Some(reply) => write::files_of_birth(reply, &tickets)
                .map_err(|(expr, fault)| WriteError::Refused(format!("{}: {fault}", expr.name)))?,
            None => Some(Vec::new()),
        };
        for statement in files.iter_mut().flatten() {
            prepare(&client, statement).await?;
        }
        Ok((tickets, statements, files))
    }

    async fn make_ticket(
        &self,
        birth: &Birth,
        opening: &Opening,
        first: Option<&Message>,
        parameters: &Parameters,
        (tickets, statements): (Shape, Vec<Statement>),
        (of_files, files): (Vec<Statement>, &Ready),
    ) -> Result<(), WriteError> {
        let store = &self.store;
        let case = birth.case_id.to_string();
        let claim = Claim {
            ctes: "claimed as (update {s}.birth set state = 'done', done_at = clock_timestamp(), error = null
                where case_id = $3::text::int8 and state = 'pending' returning 1)",
            query: &format!("select {{s}}.expect(count(*) = 1, '{ALREADY}', 'DC003') from claimed"),
            values: vec![text(&case)],
        };
        let mut plan = vec![begin(store, &format!("case {case}"), claim, None, None)];
        // A cursor sees the tables as they are when it is declared, and looks for the key when it is read.
        plan.push(Planned::on_site(
            store.sql(&format!(
                "declare deskie_cdc_before no scroll cursor for select {{s}}.expect(false,
                     'the ticket that [case] gives was there before, and may be another customer''s')
                 from {} t where {}",
                tickets.sql(),
                write::has_the_key(&tickets)
            )),
            Vec::new(),
        ));
        let last = statements.len().saturating_sub(1);
        for (n, statement) in statements.iter().enumerate() {
            let sql = match n == last {
                true => write::keeping_the_key(&statement.sql(), &tickets),
                false => statement.sql(),
            };
            let values = parameters.of(statement).into_iter().map(TextParam).collect();
            plan.push(Planned::on_site(sql, values));
        }
        plan.push(Planned::on_site(
            store.sql(&format!(
                "select {{s}}.expect(
                     pg_catalog.count(pg_catalog.set_config('{TICKET_SETTING}', {}, true)) OPERATOR(pg_catalog.=) 1,
                     'the last statement of [case] gave no key of a row of ' OPERATOR(pg_catalog.||) $1::pg_catalog.text)
                 from {} t where {}",
                tickets.key_sql("t"),
                tickets.sql(),
                write::has_the_key(&tickets)
            )),
            vec![text(&tickets.relation.to_string())],
        ));
        plan.push(Planned::on_site(
            "fetch from deskie_cdc_before".to_owned(),
            Vec::new(),
        ));
        for parameters in &files.parameters {
            for statement in &of_files {
                plan.push(Planned::site(statement, parameters));
            }
        }
        plan.push(Planned::ours(store.sql(&format!("select {UNHELD}")), Vec::new()));
        let is_written = self.config.ticket.open_on == OpenOn::Ticket;
        let message = first.filter(|_| is_written);
        let kind = message.map(|message| match message.staff_id {
            Some(_) => "agent",
            None => "customer",
        });
        let channel = Some(birth.channel.as_str()).filter(|channel| channel.starts_with("cch"));
        let some = |value: Option<String>| TextParam(value);
        plan.push(Planned::ours(
            store.sql(LINK),
            vec![
                text(&case),
                some(Some(birth.case_number.clone()).filter(|number| !number.is_empty())),
                some(birth.user_id.map(|user| user.to_string())),
                some(channel.map(str::to_owned)),
                some(channel.and(opening.custom_id.clone())),
                text(&birth.status),
                some(birth.changed_at.map(|at| at.to_string())),
                some(message.map(|message| message.message_id.to_string())),
                some(kind.map(str::to_owned)),
            ],
        ));
        run_all(&self.site, plan).await
    }
}

/// Our own rows for the new ticket; its case is then read for the other messages.
const LINK: &str = "with k as (select pg_catalog.current_setting('deskie_cdc.ticket') as key),
    g as (select k.key, coalesce(max(t.generation) filter (where not t.gone), coalesce(max(t.generation), 0) + 1) as generation
          from k left join {s}.ticket t on t.key = k.key group by k.key),
    made as (
        insert into {s}.ticket as t (key, generation, case_id, case_number, user_id, channel, custom_id, opened_at,
            status, status_at, read_wanted, read_wanted_at)
        select key, generation, $1::text::int8, $2::text, $3::text::int8, $4::text, $5::text, clock_timestamp(),
            $6::text, $7::text::timestamptz, 0, clock_timestamp() from g
        on conflict (pg_catalog.hashtextextended(key, 0), generation) do update set case_id = excluded.case_id, case_number = excluded.case_number,
            user_id = excluded.user_id, channel = excluded.channel, custom_id = excluded.custom_id,
            opened_at = excluded.opened_at, status = excluded.status, status_at = excluded.status_at,
            read_wanted = excluded.read_wanted, read_wanted_at = excluded.read_wanted_at
            where t.case_id is null
        returning t.id, t.key),
    linked as (
        insert into {s}.link (section, key, generation, ticket_id, state, reason)
        select 'ticket', made.key, coalesce(max(l.generation), 0) + 1, made.id, 'written', 'born in Deskie'
        from made left join {s}.link l on l.section = 'ticket' and l.key = made.key
        group by made.id, made.key having coalesce(bool_and(l.gone), true)),
    first_message as (
        insert into {s}.remote (message_id, case_id, ticket_id, state, reason, kind, row_key, done_at)
        select $8::text::int8, $1::text::int8, made.id, 'written', 'in the ticket itself', $9::text, made.key, now()
        from made where $8::text is not null),
    born as (update {s}.birth b set ticket_id = made.id from made where b.case_id = $1::text::int8),
    told as (
        insert into {s}.journal (ticket_id, what, detail)
        select id, 'born in Deskie', 'case ' || $1::text || ' became the ticket ' || key from made)
    select {s}.expect(count(*) = 1, 'the ticket that [case] returned has a case already') from made";
