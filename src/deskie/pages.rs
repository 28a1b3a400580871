//! A page of a list, or all of it but the entry that spoils it.
//!
//! One odd message can make Deskie answer for the whole page with nothing, with a fault of its own, or with JSON that
//! breaks off. Then the page is asked for in tenths, and a tenth that cannot be read either entry by entry, so that only
//! the odd one is lost sight of (rule 19). One costs 21 reads; an outage, in which nothing can be read at all, costs five,
//! and the page as a whole counts as not read. So it does where more than a few entries are odd.

use super::wire::{Entity, List, Unreadable};
use super::{Answer, CallError, CaseQuery, Client, Meter};
use crate::lanes::{Call, Class, Cost};

/// Entries of a page, and of its tenths.
const PAGE: u32 = 100;
const TENTH: u32 = 10;

/// So many answers that cannot be read, and none that can, are an outage.
const FAILURES: usize = 5;

/// So many entries of a page may be lost sight of.
const ENTRIES_LOST: usize = 5;

/// Whether Deskie answers a read that is about no item: a refusal that may be of all calls ([`CallError::may_be_of_all`]) is
/// a word about one only then.
pub async fn is_answering(client: &Client, meter: &Meter) -> Result<(), CallError> {
    let query = CaseQuery {
        limit: Some(1),
        ..CaseQuery::default()
    };
    let call = meter.acquire(Class::Doubt, Cost::Read).await;
    let answer = client.cases(&query).await;
    meter.settle(call, &answer);
    answer.map(drop)
}

/// Page `number` of a hundred entries. `fetch` asks for a page of a size; `call` was taken out of the budget for the first
/// one. The places of what cannot be read count from the start of the list.
pub async fn page<T, F>(
    meter: &Meter,
    class: Class,
    call: Option<Call>,
    number: u32,
    fetch: impl Fn(u32, u32) -> F,
) -> Result<Answer<List<T>>, CallError>
where
    T: Entity,
    F: Future<Output = Result<Answer<List<T>>, CallError>>,
{
    let ask = async |call: Option<Call>, number: u32, size: u32| {
        let call = match call {
            Some(call) => call,
            None => meter.acquire(class, Cost::Read).await,
        };
        let answer = fetch(number, size).await;
        meter.settle(call, &answer);
        answer.map(|answer| answer.map(|list| list.at(before(number, size))))
    };
    let whole = match ask(call, number, PAGE).await {
        Err(error) if error.is_unreadable() => error,
        answer => return answer,
    };
    let (mut found, mut failures): (Option<Answer<List<T>>>, usize) = (None, 1);
    let put = |found: &mut Option<Answer<List<T>>>, part: Answer<List<T>>| match found {
        Some(found) => found.value.append(part.value),
        None => *found = Some(part),
    };
    let mut unreadable = Vec::new();
    'tenths: for tenth in inside(number, PAGE / TENTH) {
        match ask(None, tenth, TENTH).await {
            Ok(part) => {
                let is_last = part.value.len() < TENTH as usize;
                put(&mut found, part);
                if is_last {
                    break;
                }
                continue;
            }
            Err(error) if error.is_unreadable() => failures += 1,
            Err(error) => return Err(error),
        }
        for entry in inside(tenth, TENTH) {
            match ask(None, entry, 1).await {
                Ok(part) => {
                    let is_last = part.value.is_empty();
                    put(&mut found, part);
                    if is_last {
                        break 'tenths;
                    }
                }
                Err(error) if error.is_unreadable() => {
                    failures += 1;
                    unreadable.push(Unreadable {
                        what: T::ROOT,
                        place: before(entry, 1) + 1,
                        id: error.kind.to_string(),
                    });
                    let is_outage = found.is_none() && failures >= FAILURES;
                    if is_outage || unreadable.len() > ENTRIES_LOST {
                        return Err(whole);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
    let mut answer = found.ok_or(whole)?;
    answer.value.unreadable.extend(unreadable);
    Ok(answer)
}

/// How many entries come before page `number` of this size.
fn before(number: u32, size: u32) -> usize {
    (number.saturating_sub(1) as usize).saturating_mul(size as usize)
}

/// The numbers of the pages that a page consists of, where so many make it up.
fn inside(number: u32, parts: u32) -> std::ops::RangeInclusive<u32> {
    let last = number.saturating_mul(parts);
    last.saturating_sub(parts - 1)..=last
}

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;
