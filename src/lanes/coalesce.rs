//! How many of those that wait behind a message go with it (`[message] coalesce`): those right behind it, none left out
//! in between, as long as all of it is within the limit of one message.

/// What one more body costs besides its own size.
pub const BETWEEN: usize = 8;

/// How many of `followers` (size of the body; whether it may join at all) go with a head of that size.
pub fn joining(head: usize, followers: impl IntoIterator<Item = (usize, bool)>, max: usize) -> usize {
    let mut whole = head;
    followers
        .into_iter()
        .take_while(|(size, joins)| {
            whole = whole.saturating_add(*size).saturating_add(BETWEEN);
            *joins && whole <= max
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_are_the_first_ones_and_fit(
            head in 0usize..100, followers in proptest::collection::vec((0usize..60, any::<bool>()), 0..12), max in 0usize..300
        ) {
            let count = joining(head, followers.iter().copied(), max);
            let (with, behind) = followers.split_at(count);
            let whole = head + with.iter().map(|(size, _)| size + BETWEEN).sum::<usize>();
            prop_assert!(with.iter().all(|(_, joins)| *joins));
            prop_assert!(count == 0 || whole <= max);
            // AND no more would have gone
            if let Some((size, joins)) = behind.first() {
                prop_assert!(!joins || whole + size + BETWEEN > max);
            }
        }
    }
}
