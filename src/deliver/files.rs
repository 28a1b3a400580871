//! The files of a delivery, read right before its call, and settled before the intent: what the call will carry is
//! durable by then, so a look for a lost call knows what to look for.
//!
//! What holds up what: a file that is not there yet is waited for as long as its section's `wait` says, one that fails
//! in passing (a server that does not answer) for half a minute at least; the ticket's order waits with it. Then the
//! message goes without it, and the file parks alone, holding up nothing; tried again, it goes as a message of its own.
//! A file that may not be read, is not allowed, or is too large parks at once. One that is too large and has a public
//! address goes as a link in the text. What does not fit into one call goes with another, right behind.

use std::time::Duration;

use super::Deliverer;
use crate::deskie::{File, Message, Order};
use crate::files::{Got, MAX_FILE, fits};
use crate::lanes::{Class, Cost};
use crate::model::{CaseId, MessageId, TicketKey};
use crate::store::{Act, Delivery, FileRef, Prepared, StoreError};
use crate::text;

/// A failure that may pass is waited for at least so long.
const PASSING: Duration = Duration::from_secs(30);

/// An upload gets a second more for so many bytes.
const BYTES_A_SECOND: u64 = 256 << 10;

/// How much longer than usual a call with these files may take.
pub(super) fn upload_time(files: &[File]) -> Duration {
    let bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
    Duration::from_secs((bytes as u64).div_ceil(BYTES_A_SECOND))
}

/// A file that was read, and what it says of itself.
type Read = (FileRef, Option<File>);

impl Deliverer {
    /// The files for the call; `None`: it is not made now, and what becomes of the delivery is stored.
    pub(super) async fn files(&self, delivery: &mut Delivery) -> Option<Vec<File>> {
        if delivery.files.is_empty() {
            return Some(Vec::new());
        }
        let mut done = Prepared {
            body: delivery.body.clone(),
            ..Prepared::default()
        };
        let (mut read, mut total): (Vec<Read>, u64) = (Vec::new(), 0);
        let mut links: Vec<(String, String)> = Vec::new();
        let mut all = delivery.files.iter();
        while let Some(file) = all.next() {
            if file.is_link {
                read.push((file.clone(), None));
                continue;
            }
            let (wait, why) = match self.site_files.get(&file.source, &file.key).await {
                Got::File(got) => {
                    let size = got.bytes.len() as u64;
                    let count = read.iter().filter(|(_, file)| file.is_some()).count();
                    if !fits(count, total, size) {
                        done.rest = std::iter::once(file).chain(all.by_ref()).cloned().collect();
                        break;
                    }
                    total += size;
                    let told = FileRef {
                        name: got.name.clone(),
                        size: Some(size),
                        ..file.clone()
                    };
                    let sent = File {
                        name: got.name,
                        mime: got.mime,
                        bytes: got.bytes,
                    };
                    read.push((told, Some(sent)));
                    continue;
                }
                Got::Gone => {
                    done.gone.push(file.clone());
                    continue;
                }
                Got::TooLarge(Some(url)) => {
                    links.push((file.name.clone(), url));
                    let told = FileRef {
                        is_link: true,
                        ..file.clone()
                    };
                    read.push((told, None));
                    continue;
                }
                Got::TooLarge(None) => {
                    let why = format!(
                        "the file is larger than the {} MB that Deskie takes",
                        MAX_FILE >> 20
                    );
                    (None, why)
                }
                Got::Refused(why) => (None, why),
                Got::NotYet(why) => (Some(self.site_files.wait(&file.source).await), why),
                Got::Passing(why) => (Some(self.site_files.wait(&file.source).await.max(PASSING)), why),
            };
            match wait.filter(|wait| wait.as_secs_f64() > delivery.waited) {
                Some(_) => {
                    self.wait_for_file(delivery, &why).await;
                    return None;
                }
                None => done.parked.push((file.clone(), why)),
            }
        }
        done.files = read.iter().map(|(told, _)| told.clone()).collect();
        let sent: Vec<File> = read.into_iter().filter_map(|(_, sent)| sent).collect();
        self.settle(delivery, done, &links).await.then_some(sent)
    }

    async fn wait_for_file(&self, delivery: &Delivery, why: &str) {
        // 1 s at first, then ever more rarely.
        let after = Duration::from_secs_f64((delivery.waited / 4.0).clamp(1.0, 30.0));
        tracing::info!(ticket = %delivery.ticket_key, "a message waits for a file: {why}");
        let waits = || self.store.files().wait(delivery.id, why, after);
        self.durably("a wait for a file", waits).await;
    }

    /// Writes down what goes with the call; false where there is no call.
    async fn settle(&self, delivery: &mut Delivery, mut done: Prepared, links: &[(String, String)]) -> bool {
        let parked = done.parked.clone();
        // Told once it is stored: whoever hears of it may mend it at once.
        let tell = |ticket: &TicketKey| {
            for (file, why) in &parked {
                tracing::error!(
                    %ticket, file = %file.source, key = %file.key,
                    "a file is parked: {why}; `deskie-cdc trace {ticket}`"
                );
            }
        };
        let before: Vec<&str> = delivery.files.iter().map(|file| file.name.as_str()).collect();
        let is_names = text::names_of_files(&before).text == done.body.text;
        if done.files.is_empty() && done.rest.is_empty() && (is_names || delivery.act == Act::File) {
            let id = delivery.id;
            if delivery.act == Act::File {
                // Nothing is left of it but what failed: it parks itself, the others beside it.
                let own = done
                    .parked
                    .iter()
                    .position(|(file, _)| file.link == delivery.link);
                let own = own.map(|place| done.parked.remove(place));
                // It keeps its file: the next attempt is about that.
                if let Some((file, _)) = &own {
                    done.body = text::names_of_files(&[file.name.as_str()]);
                    done.files = vec![file.clone()];
                }
                self.store_prepared(delivery, &done).await;
                self.durably("a file", || async {
                    let Some((_, why)) = &own else {
                        return self.store.deliveries().skip(id, "its files are gone").await;
                    };
                    let mut client = self.store.client().await?;
                    let step = self.store.step(&mut client).await?;
                    step.files().park(delivery, why).await?;
                    step.commit().await
                })
                .await;
                tell(&delivery.ticket_key);
                return false;
            }
            if done.parked.is_empty() {
                // A message that was nothing but files is none without them.
                self.durably("a message without its files", || {
                    self.store.deliveries().unresolve(id)
                })
                .await;
                return false;
            }
        }
        if is_names {
            let left = done.files.iter().chain(done.parked.iter().map(|(file, _)| file));
            let names: Vec<&str> = left.map(|file| file.name.as_str()).collect();
            done.body = text::names_of_files(&names);
        }
        done.body = text::with_links(done.body, links);
        if !self.store_prepared(delivery, &done).await {
            return false;
        }
        tell(&delivery.ticket_key);
        delivery.body = done.body;
        delivery.files = done.files;
        true
    }

    async fn store_prepared(&self, delivery: &Delivery, done: &Prepared) -> bool {
        let is_queued = std::sync::atomic::AtomicBool::new(false);
        self.durably("the files of a message", || async {
            let mut client = self.store.client().await?;
            let step = self.store.step(&mut client).await?;
            let queued = step.files().prepared(delivery, done).await?;
            step.commit().await?;
            is_queued.store(queued, std::sync::atomic::Ordering::SeqCst);
            Ok::<(), StoreError>(())
        })
        .await;
        is_queued.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Deskie's answer names the files that it has taken, or none (open question 14). What it does not name is looked for in
    /// the message itself; what is not there either waits for a person, alone: PHP drops what is over its limits without
    /// a word.
    pub(super) async fn compare_files(&self, delivery: &Delivery, place: Stored, taken: usize) {
        let sent = delivery.told_files().len();
        if taken >= sent {
            return;
        }
        let call = self.meter.acquire(Class::Doubt, Cost::Read).await;
        let (case, order, limit) = match place {
            Stored::First(case) => (case, Order::Asc, 1),
            Stored::Message(case, _) => (case, Order::Desc, 100),
        };
        let answer = self.client.messages(case, order, 1, limit).await;
        self.meter.settle(call, &answer);
        let read = answer.map(|answer| {
            let mut messages = answer.value.items.into_iter();
            match place {
                Stored::First(_) => messages.next(),
                Stored::Message(_, id) => messages.find(|message| message.message_id == id),
            }
        });
        let why = match read {
            Ok(Some(message)) => return self.lost(delivery, &message).await,
            Ok(None) => "the message is not among those that Deskie lists".to_owned(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(ticket = %delivery.ticket_key, "whether Deskie took all files of a message is not known: {why}");
        let told = format!("Deskie names {taken} of {sent} files in its answer; {why}");
        self.durably("files that could not be compared", || async {
            let mut client = self.store.client().await?;
            let step = self.store.step(&mut client).await?;
            step.journal()
                .add(Some(delivery.ticket_id), "files not compared", &told)
                .await?;
            step.commit().await
        })
        .await;
    }

    /// Parks what the message in Deskie lacks.
    async fn lost(&self, delivery: &Delivery, message: &Message) {
        let files: Vec<&FileRef> = delivery.files.iter().filter(|file| !file.is_link).collect();
        let there = message.attachments.len();
        let (places, why) = match text::lost_files(&delivery.told_files(), &message.told_files()) {
            Ok(lost) => (
                lost,
                "Deskie did not take it, perhaps because it is too large".to_owned(),
            ),
            Err(unsure) => {
                let all = files.len();
                let why = format!(
                    "Deskie has {there} of the message's {all} files, some under other names: look there whether it has this one"
                );
                (unsure, why)
            }
        };
        let lost: Vec<&FileRef> = places
            .iter()
            .filter_map(|place| files.get(*place).copied())
            .collect();
        if lost.is_empty() {
            return;
        }
        tracing::error!(
            ticket = %delivery.ticket_key, files = lost.len(),
            "files of a delivered message are parked: {why}; `deskie-cdc trace {}`", delivery.ticket_key
        );
        self.durably("lost files", || async {
            let mut client = self.store.client().await?;
            let step = self.store.step(&mut client).await?;
            for file in &lost {
                step.files().lost(delivery, file, &why).await?;
            }
            step.commit().await
        })
        .await;
    }
}

/// Where a message with files stands in Deskie.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stored {
    /// It opened this case.
    First(CaseId),
    /// It is this one of a case.
    Message(CaseId, MessageId),
}
