//! A page of a list, or all of it but the entry that spoils it.
//!
//! One odd message can make Deskie answer for the whole page with nothing, with a fault of its own, or with JSON that
//! breaks off. Then the page is asked for in tenths, and a tenth that cannot be read either entry by entry, so that only
//! the odd one is lost sight of (rule 19). That costs 31 reads at most, and three where it is an outage: where the first
//! two tenths bring nothing either, or a third one fails, the page as a whole counts as not read.

use super::wire::{Entity, List, Unreadable};
use super::{Answer, CallError, Meter};
use crate::lanes::{Call, Class, Cost};

/// Entries of a page, and of its tenths.
const PAGE: u32 = 100;
const TENTH: u32 = 10;

/// So many tenths may fail, and so many entries of the page.
const TENTHS_LOST: usize = 2;
const ENTRIES_LOST: usize = 5;

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
    let (mut parts, mut lost): (Vec<Answer<List<T>>>, Vec<u32>) = (Vec::new(), Vec::new());
    for tenth in inside(number, PAGE / TENTH) {
        match ask(None, tenth, TENTH).await {
            Ok(part) => {
                let is_last = part.value.len() < TENTH as usize;
                parts.push(part);
                if is_last {
                    break;
                }
            }
            Err(error) if error.is_unreadable() => {
                lost.push(tenth);
                if lost.len() > TENTHS_LOST || (parts.is_empty() && lost.len() == TENTHS_LOST) {
                    return Err(whole);
                }
            }
            Err(error) => return Err(error),
        }
    }
    let mut unreadable = Vec::new();
    for tenth in lost {
        for entry in inside(tenth, TENTH) {
            match ask(None, entry, 1).await {
                Ok(part) if part.value.is_empty() => break,
                Ok(part) => parts.push(part),
                Err(error) if error.is_unreadable() && unreadable.len() < ENTRIES_LOST => {
                    unreadable.push(Unreadable {
                        what: T::ROOT,
                        place: before(entry, 1) + 1,
                        id: error.kind.to_string(),
                    });
                }
                Err(error) if error.is_unreadable() => return Err(whole),
                Err(error) => return Err(error),
            }
        }
    }
    // Whoever reads it relies on the order of the list.
    parts.sort_by_key(|part| part.value.before);
    let mut parts = parts.into_iter();
    let Some(mut answer) = parts.next() else {
        return Err(whole);
    };
    parts.for_each(|part| answer.value.append(part.value));
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
