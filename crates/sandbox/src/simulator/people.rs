//! What people do in Deskie: agents, and customers by mail and in the help centre.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use bytes::Bytes;

use super::action::{Acted, Action, Says};
use super::api::Patch;
use super::books::Origin;
use super::form::Upload;
use super::options::DEFAULT_AGENT;
use super::state::{Author, Change, NewMessage, State};
use super::webhook::Event;
use super::{Error, Shared};
use crate::simulator::{CaseId, MessageId};

impl Shared {
    /// Does it, and sends the webhooks that follow from it in the background.
    pub(super) fn act(self: &Arc<Self>, action: Action) -> Result<Acted, Error> {
        let acted = match action {
            Action::ScheduledMessage { case, says, after_ms } => self.schedule(case, &says, after_ms)?,
            action => self.with(|state| state.act(action))?,
        };
        let shared = Arc::clone(self);
        self.spawn(async move { shared.send_all().await });
        Ok(acted)
    }

    fn schedule(self: &Arc<Self>, case: CaseId, says: &Says, after_ms: u64) -> Result<Acted, Error> {
        let (case, message) = self.with(|state| {
            let case = state.known_case(case)?;
            let id = state.take_message_id();
            let message = state.spoken(says, Author::Staff(says.staff()), Origin::Agent);
            Ok::<_, Error>((
                case,
                NewMessage {
                    id: Some(id),
                    created_at: Some(state.now()),
                    ..message
                },
            ))
        })?;
        let acted = Acted {
            case_id: Some(case),
            message_id: message.id,
        };
        let shared = Arc::clone(self);
        self.spawn(async move {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            shared.with(|state| state.post(case, message));
            shared.send_all().await;
        });
        Ok(acted)
    }
}

impl State {
    fn known_case(&self, id: CaseId) -> Result<CaseId, Error> {
        let found = match id.0 {
            0 => self.cases.keys().next_back().copied(),
            _ => self.cases.get(&id).map(|case| case.id),
        };
        found.ok_or(Error::NoSuchCase(id))
    }

    fn spoken(&mut self, says: &Says, author: Author, origin: Origin) -> NewMessage {
        let files: Vec<_> = says
            .attachments
            .iter()
            .map(|file| {
                let decoded = base64::engine::general_purpose::STANDARD
                    .decode(&file.base64)
                    .unwrap_or_default();
                let bytes = if decoded.is_empty() {
                    file.text.clone().into_bytes()
                } else {
                    decoded
                };
                Upload {
                    name: file.name.clone(),
                    mime: file.mime.clone(),
                    bytes: Bytes::from(bytes),
                }
            })
            .collect();
        let attachments = self.attach(&files, &[]);
        NewMessage {
            text: says.text.clone(),
            html: says.html.clone(),
            via_rule: says.via_rule,
            origin: if says.via_rule { Origin::Rule } else { origin },
            attachments,
            ..NewMessage::by(author, origin)
        }
    }

    fn act(&mut self, action: Action) -> Result<Acted, Error> {
        let mut message_id = None;
        let case_id = match action {
            Action::AgentReply { case, says } => {
                let case = self.known_case(case)?;
                let message = self.spoken(&says, Author::Staff(says.staff()), Origin::Agent);
                message_id = Some(self.post(case, message));
                case
            }
            Action::CustomerMailReply {
                case,
                mut says,
                from,
                quote,
            } => {
                let case = self.known_case(case)?;
                let user = match from {
                    Some(address) => self.user_for("email", &address, "", None),
                    None => self.cases[&case].user_id,
                };
                if quote {
                    says.html += &self.quoted(case);
                }
                let message = self.spoken(&says, Author::User(user), Origin::CustomerMail);
                message_id = Some(self.post(case, message));
                case
            }
            Action::HelpcentreReply { case, says } => {
                let case = self.known_case(case)?;
                let author = Author::User(self.cases[&case].user_id);
                let message = self.spoken(&says, author, Origin::Helpcentre);
                message_id = Some(self.post(case, message));
                case
            }
            Action::Note { case, says } => {
                let case = self.known_case(case)?;
                let note = self.spoken(&says, Author::Staff(says.staff()), Origin::Agent);
                message_id = Some(self.post(case, NewMessage { note: true, ..note }));
                case
            }
            Action::LateMessage {
                case,
                says,
                by_customer,
                seconds_ago,
            } => {
                let case = self.known_case(case)?;
                message_id = Some(self.late(case, &says, by_customer, seconds_ago));
                case
            }
            Action::ScheduledMessage { case, .. } => self.known_case(case)?,
            Action::CreateCaseByAgent {
                user_email,
                user_full_name,
                subject,
                says,
            } => {
                let user = self.user_for("email", &user_email, "", Some(user_full_name));
                let case = self.open_case(user, &subject, "email", Origin::Agent);
                let first = self.spoken(&says, Author::Staff(says.staff()), Origin::Agent);
                message_id = Some(self.post(case, NewMessage { opens: true, ..first }));
                case
            }
            Action::CreateCaseByMail {
                user_email,
                user_full_name,
                subject,
                says,
            } => {
                let user = self.user_for("email", &user_email, "", Some(user_full_name));
                let case = self.open_case(user, &subject, "email", Origin::CustomerMail);
                let first = self.spoken(&says, Author::User(user), Origin::CustomerMail);
                message_id = Some(self.post(case, NewMessage { opens: true, ..first }));
                case
            }
            Action::EditMessage { case, message, says } => {
                let edited = self.edit_message(case, message, &says.text, &says.html, None);
                edited.ok_or(Error::NoSuchMessage(message))?;
                message_id = Some(message);
                case
            }
            Action::DeleteMessage { case, message } => {
                self.delete_message(case, message, None)
                    .ok_or(Error::NoSuchMessage(message))?;
                message_id = Some(message);
                case
            }
            Action::Merge { case, into } => {
                self.merge(self.known_case(case)?, self.known_case(into)?)?;
                into
            }
            Action::SetStatus { case, status } => {
                let patch = Patch {
                    status: Some(status),
                    ..Patch::default()
                };
                self.change(case, patch)?
            }
            Action::AddLabel { case, label } => {
                self.labels
                    .entry(label)
                    .or_insert_with(|| format!("label {label}"));
                self.change(
                    case,
                    Patch {
                        add_labels: vec![label],
                        ..Patch::default()
                    },
                )?
            }
            Action::SetField { case, field, value } => {
                let custom_fields = [(format!("cf_{field}"), value.into())].into_iter().collect();
                self.change(
                    case,
                    Patch {
                        custom_fields,
                        ..Patch::default()
                    },
                )?
            }
            Action::Trash { case } => self.set(case, |case| case.deleted = true)?,
            Action::Spam { case } => self.set(case, |case| case.spam = true)?,
            Action::Restore { case } => self.set(case, |case| (case.deleted, case.spam) = (false, false))?,
            Action::Purge { case } => self.set(case, |case| case.purged = true)?,
            Action::FinishChat { case } => self.set(case, |case| case.chat_active = false)?,
            Action::GiveCase { case, user_email } => {
                let user = self.user_for("email", &user_email, "", None);
                self.set(case, |case| case.user_id = user)?
            }
            Action::LinkUsers { user_email, with } => {
                let [one, other] = [user_email, with].map(|email| self.user_for("email", &email, "", None));
                for (user, with) in [(one, other), (other, one)] {
                    if let Some(user) = self.users.get_mut(&user) {
                        user.linked.insert(with);
                    }
                }
                return Ok(Acted::default());
            }
            Action::SetRateLimit { per_minute } => {
                self.options.requests_per_minute = per_minute;
                return Ok(Acted::default());
            }
            Action::RevokeKey => {
                self.options.key_valid = false;
                return Ok(Acted::default());
            }
            Action::RestoreKey => {
                self.options.key_valid = true;
                return Ok(Acted::default());
            }
            Action::SetDown { down } => {
                self.options.down = down;
                return Ok(Acted::default());
            }
        };
        Ok(Acted {
            case_id: Some(case_id),
            message_id,
        })
    }

    /// The history that a mail program hangs below an answer.
    fn quoted(&self, case: CaseId) -> String {
        let last = self
            .cases
            .get(&case)
            .and_then(|case| case.messages.iter().rev().find(|message| !message.note));
        let earlier = last
            .map(|message| format!("{}{}", message.html, message.text))
            .unwrap_or_default();
        format!(
            r#"<div class="omni_orig_reply"><p>On Monday, support wrote:</p><blockquote>{earlier}</blockquote></div>"#
        )
    }

    fn late(&mut self, case: CaseId, says: &Says, by_customer: bool, seconds_ago: i64) -> MessageId {
        let used = |id: i64| {
            self.cases
                .values()
                .flat_map(|case| &case.messages)
                .any(|message| message.id.0 == id)
        };
        let least = self.cases[&case]
            .messages
            .iter()
            .map(|message| message.id.0)
            .min();
        let mut id = least.unwrap_or(self.options.first_message_id) - 1;
        while used(id) {
            id -= 1;
        }
        let at = jiff::Timestamp::from_second(self.now().as_second() - seconds_ago).ok();
        let message = if by_customer {
            let author = Author::User(self.cases[&case].user_id);
            self.spoken(says, author, Origin::CustomerMail)
        } else {
            self.spoken(says, Author::Staff(says.staff()), Origin::Agent)
        };
        self.post(
            case,
            NewMessage {
                id: Some(MessageId(id)),
                created_at: at,
                ..message
            },
        )
    }

    fn merge(&mut self, from: CaseId, into: CaseId) -> Result<(), Error> {
        let now = self.now();
        let absorbed = self
            .cases
            .get_mut(&from)
            .filter(|_| from != into)
            .ok_or(Error::NoSuchCase(from))?;
        absorbed.parent = into;
        absorbed.updated_at = now;
        let moved = std::mem::take(&mut absorbed.messages);
        let parent = self.cases.get_mut(&into).ok_or(Error::NoSuchCase(into))?;
        parent.messages.extend(moved);
        parent
            .messages
            .sort_by_key(|message| (message.created_at, message.id));
        parent.updated_at = now;
        parent.changelog.push(Change {
            at: now,
            event: "merge".into(),
            done_by: format!("staff_{DEFAULT_AGENT}"),
            old: String::new(),
            new: from.to_string(),
        });
        self.emit(into, Event::Changed, None, Duration::ZERO);
        Ok(())
    }

    fn change(&mut self, case: CaseId, patch: Patch) -> Result<CaseId, Error> {
        let case = self.known_case(case)?;
        patch.apply(self, case, Some(&format!("staff_{DEFAULT_AGENT}")));
        self.emit(case, Event::Changed, None, Duration::ZERO);
        Ok(case)
    }

    fn set(&mut self, case: CaseId, set: impl FnOnce(&mut super::state::Case)) -> Result<CaseId, Error> {
        let id = self.known_case(case)?;
        let now = self.now();
        let case = self.cases.get_mut(&id).ok_or(Error::NoSuchCase(id))?;
        set(case);
        case.updated_at = now;
        self.emit(id, Event::Changed, None, Duration::ZERO);
        Ok(id)
    }
}
