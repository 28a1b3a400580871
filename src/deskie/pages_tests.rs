use std::cell::Cell;
use std::time::Duration;

use super::super::error::{ErrorKind, Quota};
use super::super::{Label, Outcome};
use super::*;

/// Reads page `number` of a list of `count` entries, of which Deskie cannot show the `odd` ones; and how many reads it took.
async fn read(count: i64, odd: &[i64], number: u32) -> (Result<List<Label>, CallError>, usize) {
    let meter = Meter::new(Some(10_000), Duration::from_millis(10));
    let reads = Cell::new(0);
    let fetch = |number: u32, size: u32| {
        reads.set(reads.get() + 1);
        let before = i64::try_from(before(number, size)).unwrap();
        let places = before + 1..=(before + i64::from(size)).min(count);
        let spoilt = places.clone().any(|place| odd.contains(&place));
        let label = |label_id| Label {
            label_id,
            title: String::new(),
        };
        let mut list = List::empty(Some(count));
        list.items.extend(places.map(label));
        let answer = match spoilt {
            false => Ok(Answer {
                value: list,
                quota: Quota::default(),
                date: None,
                took: Duration::ZERO,
            }),
            true => Err(CallError {
                call: String::new(),
                write: false,
                kind: ErrorKind::Unreadable { why: "empty".into() },
                quota: Quota::default(),
                date: None,
                took: Duration::ZERO,
                answer: None,
            }),
        };
        std::future::ready(answer)
    };
    let answer = page(&meter, Class::Sweep, None, number, fetch).await;
    (answer.map(|answer| answer.value), reads.get())
}

fn ids(list: &List<Label>) -> Vec<i64> {
    list.items.iter().map(|label| label.label_id).collect()
}

#[tokio::test]
async fn only_the_odd_entry_of_a_page_is_lost_sight_of() {
    for (count, odd, number, most) in [
        (250, vec![], 2, 1),
        (250, vec![101], 2, 21),
        (250, vec![150, 199], 2, 31),
        (7, vec![1], 1, 13),
        (20, vec![1, 2, 11, 20], 1, 25),
        (7, vec![7], 1, 13),
        (1, vec![1], 1, 13),
        (100, vec![100], 1, 21),
        (230, vec![205, 206], 3, 15),
    ] {
        let (read, reads) = read(count, &odd, number).await;
        let list = read.unwrap();
        let page = i64::from(number - 1) * 100 + 1..=(i64::from(number) * 100).min(count);
        let expected: Vec<i64> = page.clone().filter(|place| !odd.contains(place)).collect();
        let lost: Vec<i64> = list.unreadable.iter().map(|entry| entry.place as i64).collect();
        assert_eq!((ids(&list), lost), (expected, odd.clone()), "{odd:?} of {count}");
        assert_eq!(list.len(), page.count());
        assert_eq!(list.total, Some(count));
        assert!(reads <= most, "{reads} reads for {odd:?} of {count}");
    }
}

#[tokio::test]
async fn an_outage_costs_five_reads() {
    let all: Vec<i64> = (1..=250).collect();
    let (answer, reads) = read(250, &all, 1).await;
    assert_eq!(answer.map(drop).unwrap_err().outcome(), Outcome::Retry);
    assert_eq!(reads, 5);
    let (answer, reads) = read(250, &[11, 12, 13, 14, 15, 16], 1).await;
    assert!(answer.is_err() && reads <= 10, "{reads} reads");
}
