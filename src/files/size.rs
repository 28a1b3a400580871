//! PURE: how files are spread over calls: 25 MB a file, 50 MB a request (`[D]` D-cases), in their order.

/// The most that one file may have.
pub const MAX_FILE: u64 = 25 << 20;

/// The most that the files of one call may have; the rest of the 50 MB is left to the text and the form around it.
pub const MAX_CALL: u64 = 49 << 20;

/// The most files of one call: PHP takes 20 uploads where nobody changed it.
pub const MAX_FILES: usize = 20;

/// Whether one more file goes with a call that has `count` files of `total` bytes; the first always does.
pub fn fits(count: usize, total: u64, size: u64) -> bool {
    count == 0 || (count < MAX_FILES && total.saturating_add(size) <= MAX_CALL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_files_go_in_order_and_no_call_is_too_large(sizes in proptest::collection::vec(0..=MAX_FILE, 0..80)) {
            let mut calls: Vec<Vec<u64>> = Vec::new();
            for size in &sizes {
                match calls.last_mut() {
                    Some(call) if fits(call.len(), call.iter().sum(), *size) => call.push(*size),
                    _ => calls.push(vec![*size]),
                }
            }
            prop_assert_eq!(calls.concat(), sizes);
            for (n, call) in calls.iter().enumerate() {
                prop_assert!(!call.is_empty() && call.len() <= MAX_FILES);
                prop_assert!(call.iter().sum::<u64>() <= MAX_CALL);
                // No call is made that its predecessor had room for.
                if let Some(next) = calls.get(n + 1) {
                    prop_assert!(!fits(call.len(), call.iter().sum(), next[0]));
                }
            }
        }
    }
}
