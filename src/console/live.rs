//! Pages that renew themselves: the same address, asked for as `text/event-stream`, tells what stands on the page each time
//! that it changes (Server-Sent Events).
//!
//! A stream asks the page's own handler anew, with the headers that it was opened with: who may see what, the language and
//! the end of a session are judged there, each time, and nowhere else. What it reads goes through the connections of the
//! pages, and it pauses for many times as long as it has read, so no flow waits for somebody who looks. There are
//! [`STREAMS`] of them at most; whoever comes later is refused, and the script asks for the page every few seconds instead.
//! All of them end when the process does.
//!
//! | event | data |
//! |---|---|
//! | `page` | the whole page, when it is another one than before |
//! | `same` | the time of the look: nothing has changed, and the connection lives |
//! | `away` | the page could not be made; it goes on |

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use tokio::sync::OwnedSemaphorePermit;

use super::page::time;
use super::routes::Served;
use crate::model::clock;

/// So many streams at once, of all who look.
pub const STREAMS: usize = 16;

/// The pause between two looks, and how many times as long as a look took it is at least, up to the longest.
const PAUSE: Duration = Duration::from_secs(2);
const PAUSE_FOR_LOOK: u32 = 20;
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// No page is so large.
const MAX_PAGE: usize = 1 << 20;

/// When a page was made: the answer of a handler carries it along.
#[derive(Debug, Clone, Copy)]
pub struct MadeAt(pub jiff::Timestamp);

/// A page that can be asked for as a stream, too.
pub fn live<H, T>(handler: H) -> MethodRouter<Served>
where
    H: Handler<T, Served>,
    T: 'static,
{
    get(move |State(served): State<Served>, request: Request| {
        let handler = handler.clone();
        async move {
            if !asks_for_events(request.headers()) {
                return handler.call(request, served).await;
            }
            match Arc::clone(&served.streams).try_acquire_owned() {
                Ok(place) => Watching::begin(handler, served, &request, place),
                Err(_) => {
                    let text = "so many look already that this page is renewed only by asking for it\n";
                    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
                }
            }
        }
    })
}

fn asks_for_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// How long a stream waits after a look that took so long.
fn pause_after(look: Duration) -> Duration {
    look.saturating_mul(PAUSE_FOR_LOOK).clamp(PAUSE, LONGEST_PAUSE)
}

/// Somebody who looks at a page.
struct Watching<H> {
    handler: H,
    served: Served,
    uri: Uri,
    headers: HeaderMap,
    /// The digest of the page that was told last.
    told: Option<u64>,
    pause: Duration,
    _place: OwnedSemaphorePermit,
}

impl<H> Watching<H> {
    fn begin<T: 'static>(
        handler: H,
        served: Served,
        request: &Request,
        place: OwnedSemaphorePermit,
    ) -> Response
    where
        H: Handler<T, Served>,
    {
        let watching = Watching {
            handler,
            served,
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            told: None,
            pause: Duration::ZERO,
            _place: place,
        };
        let events = futures::stream::unfold(watching, |watching| async move {
            // A stream that did not end would keep the process from ending in order.
            let stop = watching.served.console.stop.clone();
            stop.run_until_cancelled_owned(watching.next::<T>()).await
        });
        // nginx would gather what comes in a buffer first.
        let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
        (unbuffered, Sse::new(events)).into_response()
    }

    async fn next<T: 'static>(mut self) -> (Result<Event, Infallible>, Self)
    where
        H: Handler<T, Served>,
    {
        tokio::time::sleep(self.pause).await;
        let begun = clock::monotonic();
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        let answer = self.handler.clone().call(request, self.served.clone()).await;
        let event = self.event(answer).await;
        self.pause = pause_after(begun.elapsed());
        (Ok(event), self)
    }

    async fn event(&mut self, answer: Response) -> Event {
        let (is_made, at) = (
            answer.status().is_success(),
            answer.extensions().get::<MadeAt>().copied(),
        );
        let page = to_bytes(answer.into_body(), MAX_PAGE).await.ok();
        let page = page.as_deref().and_then(|page| std::str::from_utf8(page).ok());
        let (true, Some(MadeAt(at)), Some(page)) = (is_made, at, page) else {
            return Event::default().event("away").data("");
        };
        // The time of the look stands on the page and is no change of it.
        let mut digest = DefaultHasher::new();
        page.replace(&time(at).into_string(), "").hash(&mut digest);
        let digest = Some(digest.finish());
        if self.told == digest {
            return Event::default()
                .event("same")
                .data(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
        self.told = digest;
        Event::default().event("page").data(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_reads_slowly_reads_seldom() {
        for (look, pause) in [
            (0, 2000),
            (20, 2000),
            (200, 4000),
            (8000, 15_000),
            (u64::MAX, 15_000),
        ] {
            let pause = Duration::from_millis(pause);
            assert_eq!(pause_after(Duration::from_millis(look)), pause, "{look}");
        }
    }

    #[test]
    fn only_an_event_source_gets_a_stream() {
        let asks = |accept: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().expect("a header's value"));
            }
            asks_for_events(&headers)
        };
        assert!(asks(Some("text/event-stream")));
        for other in [
            None,
            Some("*/*"),
            Some("text/html,application/xhtml+xml,*/*;q=0.8"),
        ] {
            assert!(!asks(other), "{other:?}");
        }
    }
}
