//! One call.

use std::sync::OnceLock;
use std::time::Duration;

use super::Deliverer;
use super::attempt::Attempt;
use super::files::Stored;
use crate::config::AgentAs;
use crate::deskie::{Answer, Author, Contact, Content, File, Message, NewCase, NewMessage, NewNote, Status};
use crate::lanes::{self, Call};
use crate::model::{CallKind, CaseId, CrashPoint, DeliveryId, Kind, MessageId, UserId};
use crate::store::{Act, Behind, Delivery, Opening, Sent, StoreError};
use crate::text;

/// What is to be called.
enum Request {
    CreateCase(Box<NewCase>),
    AddMessage(CaseId, Box<NewMessage>),
    AddNote(CaseId, Box<NewNote>),
}

impl Request {
    fn kind(&self) -> CallKind {
        match self {
            Request::CreateCase(_) => CallKind::CreateCase,
            Request::AddMessage(..) => CallKind::AddMessage,
            Request::AddNote(..) => CallKind::AddNote,
        }
    }

    fn with_files(mut self, files: Vec<File>) -> Request {
        match &mut self {
            Request::CreateCase(case) => case.files = files,
            Request::AddMessage(_, message) => message.files = files,
            Request::AddNote(_, note) => note.files = files,
        }
        self
    }
}

/// What Deskie did.
enum Done {
    Case {
        case: CaseId,
        number: String,
        user: UserId,
        status: String,
        changed_at: Option<jiff::Timestamp>,
    },
    Message(MessageId),
}

/// What an added message's answer tells: when it came, the message's time, how many files it has, and its number.
fn added(
    answer: &Answer<Message>,
) -> (
    Option<jiff::Timestamp>,
    Option<jiff::Timestamp>,
    usize,
    Option<Done>,
) {
    let message = &answer.value;
    let done = Done::Message(message.message_id);
    (
        answer.date,
        message.created_at,
        message.attachments.len(),
        Some(done),
    )
}

/// What opens a case is asked for anew once it has waited for so long: the customer may stand in a table that is not
/// streamed, and have another address by now.
const OPENING_HOLDS: Duration = Duration::from_secs(60);

/// Why a delivery is not sent.
enum NotSent {
    Skip(&'static str),
    Unresolve,
    Park(&'static str),
}

impl Deliverer {
    /// Sends a delivery that is queued; `call` was taken out of the budget for it. True where more may be to be done in its lane.
    pub async fn send(&self, delivery: Delivery, call: Call) -> bool {
        match delivery.act {
            Act::Status => self.send_status(delivery, call).await,
            Act::Edit => self.send_edit(delivery, call).await,
            Act::Message | Act::Note | Act::File => return self.send_message(delivery, call).await,
        }
        true
    }

    async fn send_message(&self, mut delivery: Delivery, call: Call) -> bool {
        let not_sent = |call| {
            self.meter.unused(call);
            true
        };
        let with = match self.join(&mut delivery).await {
            Ok(with) => with,
            Err(error) => {
                tracing::warn!(delivery = %delivery.id, "not sent, what waits behind it could not be read: {error}");
                return not_sent(call);
            }
        };
        let mut request = match self.request(&delivery) {
            Ok(request) => request,
            Err(reason) => {
                self.meter.unused(call);
                let id = delivery.id;
                self.durably("a delivery that is not sent", || async {
                    match reason {
                        NotSent::Skip(why) => self.store.deliveries().skip(id, why).await,
                        NotSent::Unresolve => self.store.deliveries().unresolve(id).await,
                        NotSent::Park(why) => self.store.deliveries().park(id, why, None).await,
                    }
                })
                .await;
                return true;
            }
        };
        if let Request::CreateCase(_) = &request {
            match self.store.claims().doubt(delivery.id).await {
                Ok(false) => {}
                Ok(true) => {
                    tracing::info!(ticket = %delivery.ticket_key, "a case in Deskie claims this ticket: it is looked at first");
                    return not_sent(call);
                }
                Err(error) => {
                    tracing::warn!(delivery = %delivery.id, "not sent, the claims could not be read: {error}");
                    return not_sent(call);
                }
            }
        }
        let mut client = self.client.clone();
        let mut upload_time = Duration::ZERO;
        // Held until the call is over.
        let mut _upload = None;
        if !delivery.files.is_empty() {
            _upload = self.uploads.try_acquire().ok();
            if _upload.is_none() {
                // It must not stand in the way of those that have none.
                self.meter.unused(call);
                let later = || self.store.files().later(delivery.id, Duration::from_millis(500));
                self.durably("a message with files", later).await;
                return true;
            }
            let Some(read) = self.files(&mut delivery).await else {
                return not_sent(call);
            };
            upload_time = super::files::upload_time(&read);
            client = client.patient(upload_time);
            match self.request(&delivery) {
                Ok(again) => request = again.with_files(read),
                // It was one a moment ago.
                Err(_) => return not_sent(call),
            }
        }
        let attempt = Attempt {
            kind: request.kind(),
            with: &with,
            upload_time,
        };
        let (date, stored_at, taken, done) = match &request {
            Request::CreateCase(case) => {
                let request = || client.create_case(case);
                let Some(answer) = self.attempt(&mut delivery, call, attempt, request).await else {
                    return true;
                };
                let case = answer.value;
                let (made, taken) = (case.created_at, case.attachments.len());
                let done = case.user_id.map(|user| Done::Case {
                    status: case.status.as_str().to_owned(),
                    changed_at: case.updated_at,
                    case: case.case_id,
                    number: case.case_number,
                    user,
                });
                (answer.date, made, taken, done)
            }
            Request::AddMessage(case, message) => {
                let request = || client.add_message(*case, message);
                let Some(answer) = self.attempt(&mut delivery, call, attempt, request).await else {
                    return true;
                };
                added(&answer)
            }
            Request::AddNote(case, note) => {
                let request = || client.add_note(*case, note);
                let Some(answer) = self.attempt(&mut delivery, call, attempt, request).await else {
                    return true;
                };
                added(&answer)
            }
        };
        let Some(done) = done else {
            // A case without a customer cannot be answered in his name: it is looked at again.
            self.enter_doubt(&delivery, "the answer names no user_id").await;
            return true;
        };
        CrashPoint::AnswerReceived.reached();
        self.learn_kept(delivery.written_at, stored_at, date).await;
        let has_more = self.done(&delivery, &done, date).await;
        let place = match (&request, &done) {
            (_, Done::Case { case, .. }) => Stored::First(*case),
            (Request::AddMessage(case, _) | Request::AddNote(case, _), Done::Message(id)) => {
                Stored::Message(*case, *id)
            }
            (Request::CreateCase(_), Done::Message(_)) => return true,
        };
        self.compare_files(&delivery, place, taken).await;
        has_more
    }

    /// Takes what waits right behind a customer's message into it (`[message] coalesce`).
    async fn join(&self, delivery: &mut Delivery) -> Result<Vec<(DeliveryId, jiff::Timestamp)>, StoreError> {
        let coalesces = self
            .config
            .message
            .as_ref()
            .is_some_and(|message| message.coalesce);
        let is_whole =
            delivery.act == Act::Message && delivery.author == Kind::Customer && delivery.parts == 1;
        if !coalesces || !is_whole || delivery.backfill || !delivery.files.is_empty() {
            return Ok(Vec::new());
        }
        let mut followers = self.store.deliveries().followers(delivery).await?;
        let sizes = followers
            .iter()
            .map(|follower| (follower.body.size(), follower.joins));
        let count = lanes::joining(delivery.body.size(), sizes, self.config.deskie.max_body);
        followers.truncate(count);
        if !followers.is_empty() {
            let bodies = followers.iter().map(|follower| &follower.body);
            delivery.body = text::joined(std::iter::once(&delivery.body).chain(bodies));
        }
        let with = followers
            .iter()
            .map(|follower| (follower.id, follower.resolved_at));
        Ok(with.collect())
    }

    fn request(&self, delivery: &Delivery) -> Result<Request, NotSent> {
        let content = Content::both(&delivery.body.text, &delivery.body.html);
        let created_at = jiff::Timestamp::from_second(delivery.written_at).ok();
        let is_agent = delivery.author == Kind::Agent;
        let Some(case) = delivery.case_id else {
            return match &delivery.opening {
                _ if is_agent => Err(NotSent::Skip("an agent's answer before there is a case")),
                Some(_) if delivery.made_ago() > OPENING_HOLDS.as_secs_f64() => Err(NotSent::Unresolve),
                Some(opening) => Ok(Request::CreateCase(Box::new(
                    self.new_case(delivery, opening, content),
                ))),
                None if delivery.act == Act::File => Err(NotSent::Park("the file's ticket has no case")),
                None => Err(NotSent::Unresolve),
            };
        };
        let agent_as = self
            .config
            .message
            .as_ref()
            .map_or(AgentAs::Note, |message| message.agent_as);
        if delivery.act == Act::Note || (is_agent && agent_as == AgentAs::Note) {
            let mut note = NewNote::new(content);
            note.created_at = created_at;
            return Ok(Request::AddNote(case, Box::new(note)));
        }
        let author = match (is_agent, delivery.user_id) {
            (true, _) => Author::KeyHolder,
            (false, Some(user)) => Author::Customer(user),
            (false, None) => return Err(NotSent::Park("the case's customer (user_id) is not known")),
        };
        let mut message = NewMessage::new(author, content);
        message.user_custom_id = delivery.custom_id.clone().filter(|_| !is_agent);
        message.created_at = created_at;
        // The site has told its customer already.
        message.do_not_send_email = is_agent;
        Ok(Request::AddMessage(case, Box::new(message)))
    }

    fn new_case(&self, delivery: &Delivery, opening: &Opening, content: Content) -> NewCase {
        let contact = match (
            &opening.channel,
            &opening.custom_id,
            &opening.email,
            &opening.phone,
        ) {
            (Some(channel), Some(id), _, _) => Contact::Custom {
                channel: channel.clone(),
                id: id.clone(),
            },
            (_, _, Some(email), _) => Contact::Email(email.clone()),
            (_, _, None, phone) => Contact::Phone(phone.clone().unwrap_or_default()),
        };
        let mut case = NewCase::new(contact, &opening.subject, content);
        case.full_name.clone_from(&opening.name);
        case.custom_fields.clone_from(&opening.fields);
        case.custom_fields.insert(
            format!("cf_{}", self.config.deskie.ticket_field),
            self.config.deskie.field_value(delivery.ticket_key.as_str()),
        );
        case.labels.clone_from(&opening.labels);
        case.group_id = opening.group_id;
        case.language_id = opening.language_id;
        case.priority.clone_from(&opening.priority);
        case.status = opening.status.as_deref().map(Status::from);
        case.created_at = jiff::Timestamp::from_second(delivery.written_at).ok();
        case
    }

    /// True where more may be to be done in the lane.
    async fn done(&self, delivery: &Delivery, done: &Done, answered_at: Option<jiff::Timestamp>) -> bool {
        match done {
            Done::Case {
                case,
                number,
                user,
                status,
                changed_at,
            } => {
                let shown = (status.as_str(), *changed_at);
                self.done_case(delivery, *case, number, *user, shown, answered_at)
                    .await;
                true
            }
            Done::Message(message) => self.done_message(delivery, *message, answered_at).await,
        }
    }

    /// Stores that the case was opened.
    pub(super) async fn done_case(
        &self,
        delivery: &Delivery,
        case: CaseId,
        number: &str,
        user: UserId,
        (status, changed_at): (&str, Option<jiff::Timestamp>),
        answered_at: Option<jiff::Timestamp>,
    ) {
        let stored = self.answered(delivery, "a new case", true, || async {
            let mut client = self.store.client().await?;
            let step = self.store.step(&mut client).await?;
            let held = self.config.deskie.field_value(delivery.ticket_key.as_str());
            step.deliveries()
                .done_case(delivery, (case, number, &held), user, answered_at)
                .await?;
            if delivery.ask_first {
                step.recall()
                    .found_lane(delivery, self.config.agent_call())
                    .await?;
            }
            step.case_statuses()
                .opened(delivery.ticket_id, delivery.opening.as_ref(), status, changed_at)
                .await?;
            step.commit().await
        });
        if !stored.await {
            return;
        }
        tracing::info!(ticket = %delivery.ticket_key, %case, "case opened");
        count_delivered(delivery);
        self.settled(delivery, true);
    }

    /// Stores that the message was added; its id is ours from now on. True where more may be to be done in the lane.
    pub(super) async fn done_message(
        &self,
        delivery: &Delivery,
        message: MessageId,
        answered_at: Option<jiff::Timestamp>,
    ) -> bool {
        let Some(case) = delivery.case_id else {
            return true;
        };
        let sent = Sent {
            case,
            message,
            at: answered_at,
            reopens: delivery.author == Kind::Customer && self.config.ticket.status.is_none(),
        };
        let behind = OnceLock::new();
        let stored = self.answered(delivery, "a sent message", false, || async {
            let found = self.store.deliveries().sent(delivery, &sent).await?;
            behind.get_or_init(|| found);
            Ok(())
        });
        if !stored.await {
            return true;
        }
        tracing::info!(ticket = %delivery.ticket_key, %case, %message, "message sent");
        count_delivered(delivery);
        let Behind { webhook, more } = behind.into_inner().unwrap_or_default();
        self.settled(delivery, webhook);
        more
    }

    /// `has_webhook`: one waits that may be about this.
    fn settled(&self, delivery: &Delivery, has_webhook: bool) {
        CrashPoint::AnswerStored.reached();
        self.doubts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(&delivery.id);
        if has_webhook {
            self.store.wake.inbox.notify_one();
        }
    }
}

/// A message is in Deskie. What a backfill brings has waited on purpose.
fn count_delivered(delivery: &Delivery) {
    metrics::counter!("deskie_cdc_delivered_total").increment(1);
    if !delivery.backfill {
        metrics::histogram!("deskie_cdc_to_deskie_seconds").record(delivery.age());
    }
}
