//! What is looked for in our tables and in the catalog, whoever caused it (rule 21): the leader notes it in the table of
//! troubles, and `status` looks for itself, so that it is right where nobody leads as well.

use std::time::Duration;

use super::report::span;
use crate::model::{Seen, TroubleKind, clock};
use crate::postgres::catalog;
use crate::store::{Store, StoreError, Trouble};

/// The kinds of which the catalog tells, which a lock of the site's on its tables can keep from us: the server opens each
/// published table to say what a publication holds.
const OF_THE_CATALOG: [TroubleKind; 4] = [
    TroubleKind::SiteRefused,
    TroubleKind::StandbyAwaited,
    TroubleKind::StreamAwaited,
    TroubleKind::SlotLost,
];

/// How much waits for a person, and how many seconds the oldest other thing has waited, as `Overview::attention` tells it;
/// counted once a page, since a hundred thousand may be parked.
pub type Attention = (i64, Option<f64>);

/// What was looked for, and what of it is there.
pub struct Looked {
    /// These kinds were looked for; of the others nothing is known now.
    pub kinds: Vec<TroubleKind>,
    /// What is there of them.
    pub found: Vec<Seen>,
}

/// Looks for everything that no flow meets; `publication`: the main one, where the catalog is to be looked at as well;
/// `after`: how long the oldest thing may wait.
pub async fn look(
    store: &Store,
    publication: Option<&str>,
    after: Duration,
    (parked, oldest): Attention,
) -> Result<Looked, StoreError> {
    let is_looked_for = |kind: &TroubleKind| !kind.is_of_the_process() && !kind.is_of_a_flow();
    let mut kinds: Vec<TroubleKind> = TroubleKind::ALL.into_iter().filter(is_looked_for).collect();
    let mut found = store.holds().troubles().await?;
    let there = match publication {
        Some(publication) => of_the_catalog(store, publication).await.map(Some),
        None => Ok(None),
    };
    match there {
        Ok(Some(there)) => found.extend(there),
        Ok(None) => kinds.retain(|kind| !OF_THE_CATALOG.contains(kind)),
        Err(error) => {
            tracing::debug!("the catalog could not be looked at: {error}");
            kinds.retain(|kind| !OF_THE_CATALOG.contains(kind));
        }
    }
    found.extend(store.pauses().troubles().await?);
    found.extend(store.published().troubles().await?);
    found.extend(store.tickets().unreadable().await?);
    found.extend(store.tickets().estranged().await?);
    found.extend(store.clocks().troubles().await?);
    if parked > 0 {
        let text = format!("{parked} wait for a person: see `deskie-cdc failed list`");
        found.push(Seen::new(TroubleKind::Parked, text));
    }
    if let Some(oldest) = oldest.filter(|oldest| *oldest > after.as_secs_f64()) {
        let text = format!(
            "the oldest thing has waited for {}, longer than [alert] after: see `deskie-cdc status`",
            span(oldest)
        );
        found.push(Seen::new(TroubleKind::Waiting, text));
    }
    Ok(Looked { kinds, found })
}

/// What goes wrong now, what needs a person first: what is noted, but for what is looked for, which is looked for anew.
pub async fn now(
    store: &Store,
    publication: &str,
    after: Duration,
    attention: Attention,
) -> Result<Vec<Trouble>, StoreError> {
    let looked = look(store, Some(publication), after, attention).await?;
    let noted = store.troubles().lasting().await?.into_iter();
    let (before, mut troubles): (Vec<Trouble>, Vec<Trouble>) =
        noted.partition(|trouble| looked.kinds.contains(&trouble.kind));
    for seen in looked.found {
        let known = before
            .iter()
            .find(|known| known.kind == seen.kind && known.subject == seen.subject);
        troubles.push(Trouble {
            since: known.map_or_else(clock::now, |known| known.since),
            count: known.map_or(1, |known| known.count),
            seen_at: clock::now(),
            ended_at: None,
            needs_a_person: seen.kind.needs_a_person(),
            kind: seen.kind,
            subject: seen.subject,
            text: seen.text,
        });
    }
    troubles.sort_by_key(|trouble| (!trouble.needs_a_person, trouble.kind, trouble.since));
    Ok(troubles)
}

/// What makes the site's own statements fail (rule 1), or keeps the stream back, and how it is mended.
async fn of_the_catalog(store: &Store, publication: &str) -> Result<Vec<Seen>, StoreError> {
    let meta = store.meta().read().await?;
    let gap = store.gap().read().await?.is_some();
    let client = store.client().await?;
    let inserts = format!("{publication}_insert");
    let refused = catalog::publication_refuses(&**client, publication, &inserts).await?;
    let mut found: Vec<Seen> = refused
        .iter()
        .map(|refused| {
            let what = &refused.what;
            let text = format!(
                "the server refuses the site's UPDATE and DELETE on {} NOW, since the publication {publication} carries them: \
                 {}. The publication's owner mends it at once with `{}` (or `deskie-cdc setup`, which does the same); its \
                 edits and deletions are not seen then. To have them seen: {}, then `deskie-cdc setup`",
                what.table,
                what.why,
                refused.statements,
                what.mend()
            );
            Seen::of(TroubleKind::SiteRefused, what.table.to_string(), text)
        })
        .collect();
    if let Some((what, mend)) = crate::setup::stream_awaited(&catalog::standby_names(&**client).await?) {
        found.push(Seen::new(TroubleKind::StreamAwaited, format!("{what}: {mend}")));
    }
    let Some(slot) = meta.slot else {
        return Ok(found);
    };
    for (name, is_there) in catalog::standbys_waited_for(&**client, &slot).await? {
        let (what, mend) = crate::setup::standby_trouble(&name, is_there);
        found.push(Seen::of(
            TroubleKind::StandbyAwaited,
            name,
            format!("{what}: {mend}"),
        ));
    }
    let is_lost = catalog::slot(&**client, &slot)
        .await?
        .is_none_or(|slot| slot.is_lost());
    let what = match (is_lost, gap) {
        (true, _) => format!("the replication slot {slot} is lost"),
        (false, true) => "a while was not streamed (a slot or publication that was made anew, or a table that was out of it)".to_owned(),
        (false, false) => return Ok(found),
    };
    let text =
        format!("{what}: what the site wrote meanwhile is repaired from its tables; see `deskie-cdc status`");
    found.push(Seen::new(TroubleKind::SlotLost, text));
    Ok(found)
}
