//! A part of the mapping that fits no message stops as a whole, parks nothing, and goes on by itself once it is mended.
//!
//! A right that was taken or a column that was renamed fails for every message alike, and lasts as long as a migration:
//! that is no matter of the one reply that happens to be under way. Whose matter a refusal of class 42 is, the others
//! tell: a message that is refused again and again while others pass is refused for its own sake.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::neutral::Trials;
use super::refusal::WriteError;
use crate::mapping::Statement;
use crate::model::{Seen, TroubleKind, clock};
use crate::store::{Store, StoreError};

/// How it is told that a part is stopped.
const STOPPED: &str = "writing to the site stopped: ";

/// The longest pause before it is tried again: trying costs one statement.
const LONGEST: Duration = Duration::from_secs(5);

/// What clashes with what others write just now is tried again after these, in milliseconds.
const CLASHES: [u64; 4] = [100, 300, 900, 2000];

/// So often others must have passed between its refusals.
const OWN: u32 = 3;

/// What a refusal that may be everybody's means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is everybody's: the part is stopped.
    Stopped,
    /// Others pass: this one is tried again by itself.
    Again,
    /// Others have passed in between, again and again: this one is parked.
    Own,
}

/// One part of the mapping that writes.
pub(super) struct Gate {
    section: &'static str,
    /// How it fails.
    fails: &'static str,
    state: Mutex<State>,
    trials: Mutex<Trials>,
}

#[derive(Default)]
struct State {
    /// How many of each group have passed: answers of agents, say, of which a column may take none while it takes customers'.
    passed: HashMap<String, u64>,
    /// Those that were refused: how many had passed by then, and how often others passed in between.
    refused: HashMap<i64, (u64, u32)>,
    /// Those that met what others had just written: how often.
    clashed: HashMap<i64, u32>,
    /// Since its stop: how often it was tried, and when it is tried again.
    stop: Option<(u32, Instant)>,
    /// The groups of which none passes.
    stopped: BTreeSet<String>,
}

impl Gate {
    pub(super) fn new(section: &'static str) -> Gate {
        Gate::that(section, "does not fit the database")
    }

    /// One that fails in another way.
    pub(super) fn that(section: &'static str, fails: &'static str) -> Gate {
        Gate {
            section,
            fails,
            state: Mutex::default(),
            trials: Mutex::default(),
        }
    }

    /// Nothing panics while it is held, so it cannot be poisoned.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What trials have shown.
    pub(super) fn trials(&self) -> MutexGuard<'_, Trials> {
        self.trials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is stopped, and not tried again yet.
    pub(super) fn is_shut(&self) -> bool {
        let until = self.state().stop.map(|(_, until)| until);
        until.is_some_and(|until| clock::monotonic() < until)
    }

    /// One of a group was written.
    pub(super) async fn passed(&self, item: i64, group: &str, store: &Store) -> Result<(), StoreError> {
        let was_stopped = self.state().pass(item, group);
        if was_stopped {
            tracing::info!("{} fits again: writing to the site goes on", self.section);
            store
                .troubles()
                .over(TroubleKind::WritingStopped, self.section)
                .await?;
        }
        Ok(())
    }

    /// One met what others had just written, or missed it: how long until it is tried again; `None`: it was, often enough.
    pub(super) fn clashed(&self, item: i64) -> Option<Duration> {
        let mut state = self.state();
        let times = state.clashed.entry(item).or_default();
        let pause = CLASHES.get(*times as usize).copied();
        match pause {
            Some(_) => *times += 1,
            None => drop(state.clashed.remove(&item)),
        }
        pause.map(Duration::from_millis)
    }

    /// It has clashed so often that it is not tried again.
    pub(super) fn has_clashed_out(&self, item: i64) -> bool {
        let times = self.state().clashed.get(&item).copied().unwrap_or_default();
        times as usize >= CLASHES.len()
    }

    /// One of a group was refused for what may be everybody's.
    pub(super) async fn refused(
        &self,
        (item, group): (i64, &str),
        why: &str,
        store: &Store,
    ) -> Result<Meaning, StoreError> {
        let (meaning, is_new) = self.judge(item, group);
        if is_new {
            let section = self.section;
            let text = format!("{STOPPED}{section} {}: {why}", self.fails);
            tracing::error!("{text}; nothing is parked, and it goes on by itself once that is mended");
            store
                .troubles()
                .seen(&Seen::of(TroubleKind::WritingStopped, section, text))
                .await?;
        }
        Ok(meaning)
    }

    /// The last word: it has stopped just now.
    fn judge(&self, item: i64, group: &str) -> (Meaning, bool) {
        let mut state = self.state();
        let passed = state.passed.get(group).copied().unwrap_or_default();
        let (mark, own) = state.refused.entry(item).or_insert((passed, 0));
        if passed > *mark {
            (*mark, *own) = (passed, *own + 1);
            if *own < OWN {
                return (Meaning::Again, false);
            }
            state.refused.remove(&item);
            return (Meaning::Own, false);
        }
        let tried = state.stop.map_or(0, |(tried, _)| tried);
        let pause = Duration::from_millis(500 << tried.min(4)).min(LONGEST);
        state.stop = Some((tried + 1, clock::monotonic() + pause));
        state.stopped.insert(group.to_owned());
        (Meaning::Stopped, tried == 0)
    }
}

impl State {
    /// True where nothing is stopped any more.
    fn pass(&mut self, item: i64, group: &str) -> bool {
        *self.passed.entry(group.to_owned()).or_default() += 1;
        self.refused.remove(&item);
        self.clashed.remove(&item);
        self.stopped.remove(group);
        self.stopped.is_empty() && self.stop.take().is_some()
    }
}

impl WriteError {
    /// A column that none of these statements names has to be mapped; the value of one that they name is the message's.
    pub(super) fn of_statements<'a>(self, statements: impl IntoIterator<Item = &'a Statement>) -> WriteError {
        match self {
            WriteError::NoValue { column, text } => {
                match statements
                    .into_iter()
                    .any(|statement| statement.sql().contains(&column))
                {
                    true => WriteError::NoValue { column, text },
                    false => WriteError::Mapping(text),
                }
            }
            other => other,
        }
    }

    /// The server has refused it: nothing of it is there.
    pub(super) fn is_refusal(&self) -> bool {
        use WriteError::{Folder, Hidden, Mapping, NoValue, Refused, Stale, Taken, Value};
        matches!(
            self,
            Refused(_)
                | Value { .. }
                | Hidden(_)
                | Mapping(_)
                | Folder(_)
                | Stale(_)
                | NoValue { .. }
                | Taken { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(gate: &Gate) {
        gate.state().pass(0, "agent");
    }

    #[test]
    fn while_nobody_passes_it_is_the_mappings() {
        let gate = Gate::new("[reply]");
        assert_eq!(gate.judge(1, "agent"), (Meaning::Stopped, true));
        for _ in 0..20 {
            assert_eq!(gate.judge(1, "agent"), (Meaning::Stopped, false));
            assert_eq!(gate.judge(2, "agent"), (Meaning::Stopped, false));
        }
        assert!(gate.is_shut());
    }

    #[test]
    fn what_passes_of_another_group_is_no_proof() {
        let gate = Gate::new("[reply]");
        for _ in 0..5 {
            assert_eq!(gate.judge(1, "agent").0, Meaning::Stopped);
            assert!(!gate.state().pass(2, "customer"));
        }
        assert!(gate.is_shut());
        assert!(gate.state().pass(3, "agent"));
        assert!(!gate.is_shut());
    }

    #[test]
    fn one_that_is_refused_while_others_pass_is_parked_by_itself() {
        let gate = Gate::new("[reply]");
        assert_eq!(gate.judge(1, "agent").0, Meaning::Stopped);
        for expected in [Meaning::Again, Meaning::Again, Meaning::Own] {
            pass(&gate);
            assert_eq!(gate.judge(1, "agent").0, expected);
        }
        // A pass just before a migration is no proof against the one that comes into it.
        let gate = Gate::new("[reply]");
        assert_eq!(gate.judge(1, "agent").0, Meaning::Stopped);
        pass(&gate);
        assert_eq!(gate.judge(1, "agent").0, Meaning::Again);
        assert_eq!(gate.judge(1, "agent").0, Meaning::Stopped);
    }
}
