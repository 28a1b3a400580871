//! Work over texts from outside, which anybody may have written: beside the runtime and within a time; where it may end the
//! process, that it is begun is durable before it begins (rule 19).

use std::time::Duration;

use super::{Risks, Store, StoreError};
use crate::text::{self, Body, Shown};

/// A text of fewer bytes does no harm whatever it holds.
pub const HARMLESS: usize = 8 << 10;

/// How long work over one text may take.
const WITHIN: Duration = Duration::from_secs(20);

/// Does work over `bytes` of text; `None`: it did not end in time, or failed. Harmless ones are done at once.
pub async fn beside<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match bytes < HARMLESS {
        true => Some(work()),
        false => beside_for(WITHIN, work).await,
    }
}

async fn beside_for<T: Send + 'static>(
    within: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let done = tokio::time::timeout(within, tokio::task::spawn_blocking(work)).await;
    done.ok().and_then(Result::ok)
}

/// Whether a message of Deskie's shows the words of a body that we sent; by its plain text where it takes too long.
pub async fn shown(ours: &Body, content: &str, html: &str) -> Shown {
    let bytes = ours.size().max(content.len()).max(html.len());
    if bytes < HARMLESS {
        return text::shown(ours, content, html);
    }
    let (body, theirs) = (ours.clone(), (content.to_owned(), html.to_owned()));
    let done = beside(bytes, move || text::shown(&body, &theirs.0, &theirs.1)).await;
    done.unwrap_or_else(|| text::shown_plainly(ours, content, html))
}

/// What makes a text known again ([`text::fingerprints`]); by its plain text alone where the HTML takes too long.
pub async fn fingerprints(text: &str, html: &str) -> Vec<String> {
    let bytes = text.len().max(html.len());
    let owned = (text.to_owned(), html.to_owned());
    let done = beside(bytes, move || text::fingerprints(&owned.0, &owned.1)).await;
    done.unwrap_or_else(|| text::fingerprints(text, ""))
}

impl Risks<'_, Store> {
    /// Notes that a piece of risky work begins; how often it has begun without an end, this time included.
    pub async fn begin(self, kind: &str, key: &str) -> Result<i32, StoreError> {
        let sql = "insert into {s}.risk as r (kind, key) values ($1, $2)
            on conflict (kind, key) do update set begun = r.begun + 1, at = clock_timestamp()
            returning begun";
        let rows = self.0.query(sql, &[&kind, &key]).await?;
        Ok(rows.first().map_or(1, |row| row.get(0)))
    }

    /// It has ended, well or not.
    pub async fn end(self, kind: &str, key: &str) -> Result<(), StoreError> {
        let sql = "delete from {s}.risk where kind = $1 and key = $2";
        self.0.execute(sql, &[&kind, &key]).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_does_not_end_is_given_up_and_stops_nobody() {
        // GIVEN work that goes on until it is told to end, on a runtime of one thread
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let work = move || {
            let _ = begin.send(());
            ended.recv().is_err()
        };
        // WHEN it takes longer than it may: others go on meanwhile, and it is given up
        let (done, others) = tokio::join!(beside_for(Duration::from_millis(200), work), begun);
        assert_eq!((done, others), (None, Ok(())));
        drop(end);
        // AND what ends is waited for, and what fails is no more than that
        assert_eq!(beside(HARMLESS, || 7).await, Some(7));
        assert_eq!(beside(HARMLESS - 1, || 7).await, Some(7));
        assert_eq!(
            beside(HARMLESS, || -> u8 { panic!("of one text alone") }).await,
            None
        );
    }
}
