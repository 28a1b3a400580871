//! A message's body for the site. HTML comes from anybody who can write a mail: it is read beside the runtime, within a
//! time, and that it is begun is noted before, so that one that ends the process is not read for ever (rule 19).

use super::WriteBack;
use crate::model::LaneId;
use crate::store::{self, File, HARMLESS, Payload, StoreError, beside};
use crate::text::{self, Incoming, Known};

/// A body that was begun so often and never read to its end is not begun again.
const ATTEMPTS: i32 = 3;

impl WriteBack {
    /// The body of what waits under `key`, such as `message 5`, its files as links where they come so. It always says
    /// something.
    pub(super) async fn body(
        &self,
        ticket: Option<LaneId>,
        key: &str,
        payload: &Payload,
        as_links: bool,
    ) -> Result<Incoming, StoreError> {
        let mut body = self.words(ticket, key, payload).await?;
        let files = || payload.attachments.iter();
        if as_links {
            let links: Vec<(String, String)> =
                files().map(|file| (file.safe_name(), file.url.clone())).collect();
            text::append_links(&mut body, &links);
        }
        let names: Vec<String> = files().map(File::safe_name).collect();
        Ok(body.or_names(&names))
    }

    /// The same as Markdown, which is made like everything of it: beside the runtime, and within a time.
    pub(super) async fn markdown(body: &Incoming) -> String {
        let owned = body.clone();
        let made = beside(body.html.len(), move || owned.markdown()).await;
        made.unwrap_or_else(|| body.text.clone())
    }

    async fn words(
        &self,
        ticket: Option<LaneId>,
        key: &str,
        payload: &Payload,
    ) -> Result<Incoming, StoreError> {
        let (content, html) = (&payload.content, &payload.content_html);
        let base = self.config.deskie.url.clone();
        let known = match ticket.filter(|_| payload.user_id.is_some() && text::may_quote(content, html)) {
            Some(ticket) => self.said(ticket).await?,
            None => Known::default(),
        };
        if content.len().max(html.len()) < HARMLESS {
            return Ok(text::read(content, html, Some(&base), &known).0);
        }
        let begun = self.store.risks().begin("body", key).await?;
        let (content, html) = (content.clone(), html.clone());
        let read = match begun < ATTEMPTS {
            true => {
                let bytes = content.len().max(html.len());
                beside(bytes, move || text::read(&content, &html, Some(&base), &known)).await
            }
            false => None,
        };
        let (body, why) = match read {
            Some((body, false)) => (body, None),
            Some((body, true)) => (body, Some("its HTML would multiply without end")),
            None => (
                text::plain(&payload.content, &payload.content_html),
                Some("its HTML could not be read, however often it was begun"),
            ),
        };
        if let Some(why) = why {
            tracing::warn!("{key} goes to the site as plain text: {why}");
            let detail = format!("{key}: {why}");
            let mut client = self.store.client().await?;
            let step = self.store.step(&mut client).await?;
            step.journal().add(ticket, "shown as plain text", &detail).await?;
            step.commit().await?;
        }
        self.store.risks().end("body", key).await?;
        Ok(body)
    }

    /// What a mail of the ticket's customer may quote: what went either way.
    async fn said(&self, ticket: LaneId) -> Result<Known, StoreError> {
        let (mut said, sent) = self.store.tickets().said(ticket).await?;
        for (text, html) in &sent {
            said.extend(store::fingerprints(text, html).await);
        }
        Ok(said.into_iter().collect())
    }
}
