//! The frame of all pages: one stylesheet, one script, nothing from elsewhere; all of it works without the script.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::session::Session;
use super::words::{Language, Words, fill};

/// The stylesheet.
pub const STYLE: &str = include_str!("assets/style.css");
/// The script.
pub const SCRIPT: &str = include_str!("assets/script.js");
/// The picture in a browser's tab.
pub const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><rect width=\"16\" height=\"16\" rx=\"4\" fill=\"#2563eb\"/>\
    <path d=\"M3 6h8l-2-2M13 10H5l2 2\" stroke=\"#fff\" stroke-width=\"1.6\" fill=\"none\"/></svg>";

/// Light, dark, or what the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the system says.
    #[default]
    Auto,
    Light,
    Dark,
}

impl Theme {
    /// All of them.
    pub const ALL: [Theme; 3] = [Theme::Auto, Theme::Light, Theme::Dark];

    /// The word in the cookie and in HTML.
    pub fn as_str(self) -> &'static str {
        match self {
            Theme::Auto => "auto",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// The theme of a word.
    pub fn of_word(word: &str) -> Option<Theme> {
        Theme::ALL.into_iter().find(|theme| theme.as_str() == word)
    }
}

/// Who looks at a page, and how.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// In which language.
    pub language: Language,
    /// In which colours.
    pub theme: Theme,
    /// Who; `None`: nobody is logged in.
    pub session: Option<Session>,
    /// The page's own address, to come back to.
    pub here: String,
    /// A token is configured, so that one can log in.
    pub can_log_in: bool,
}

impl Viewer {
    /// The words of the language.
    pub fn words(&self) -> &'static Words {
        self.language.words()
    }

    /// What each form of the session carries.
    pub fn csrf(&self) -> Markup {
        html! { @if let Some(session) = &self.session { input type="hidden" name="csrf" value=(session.csrf); } }
    }
}

/// The pages of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `/`.
    Overview,
    /// `/failed`.
    Items,
    Troubles,
    Log,
    /// `/search` and `/trace`.
    Search,
    /// `/login`.
    LogIn,
}

/// A page.
pub struct Page<'a> {
    /// Where it stands in the menu.
    pub place: Place,
    pub title: &'a str,
    /// How many items wait for a person, where that is known.
    pub parked: Option<i64>,
    /// It is renewed while somebody looks.
    pub is_live: bool,
    /// What was just done.
    pub notice: Option<String>,
}

/// The whole document.
pub fn document(viewer: &Viewer, page: &Page<'_>, now: jiff::Timestamp, body: &Markup) -> String {
    let words = viewer.words();
    let set = |name: &str, value: &str| {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair(name, value)
            .append_pair("back", &viewer.here)
            .finish();
        format!("/set?{query}")
    };
    let menu = [
        (Place::Overview, "/", words.overview),
        (Place::Items, "/failed", words.items),
        (Place::Troubles, "/troubles", words.troubles),
        (Place::Log, "/log", words.log),
    ];
    let theme = Some(viewer.theme.as_str()).filter(|_| viewer.theme != Theme::Auto);
    html! {
        (DOCTYPE)
        html lang=(viewer.language.code()) data-theme=[theme] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · deskie-cdc" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href=(format!("/style.css?{}", env!("CARGO_PKG_VERSION")));
                script src=(format!("/script.js?{}", env!("CARGO_PKG_VERSION"))) defer {}
                @if page.is_live {
                    noscript { meta http-equiv="refresh" content="60"; }
                }
            }
            body data-live=[page.is_live.then_some("5")] data-stale=(words.stale) {
                header {
                    a.brand href="/" { "deskie-cdc" }
                    nav aria-label="deskie-cdc" {
                        @for (place, address, name) in menu {
                            a href=(address) aria-current=[(place == page.place).then_some("page")] {
                                (name)
                                @if let (Place::Items, Some(count @ 1..)) = (place, page.parked) { " " b.count { (count) } }
                            }
                        }
                    }
                    (super::search::form(viewer, ""))
                    div.who {
                        @match &viewer.session {
                            Some(session) => form method="post" action="/logout" {
                                (viewer.csrf())
                                @if !session.name.is_empty() { span { (session.name) } }
                                button.plain { (words.log_out) }
                            },
                            None if viewer.can_log_in => a href="/login" { (words.log_in) },
                            None => {}
                        }
                    }
                }
                main #main {
                    @if let Some(notice) = &page.notice { p.notice role="status" { (notice) } }
                    p.age #age { (PreEscaped(fill(&escape(words.as_of), &[&time(now).into_string()]))) }
                    (body)
                }
                footer {
                    span { @for language in Language::ALL {
                        a href=(set("lang", language.code())) lang=(language.code()) hreflang=(language.code())
                            aria-current=[(language == viewer.language).then_some("true")] { (language.name()) }
                    } }
                    span { @for (theme, name) in Theme::ALL.into_iter().zip(words.theme) {
                        a href=(set("theme", theme.as_str())) aria-current=[(theme == viewer.theme).then_some("true")] { (name) }
                    } }
                    span { (words.version) " " (env!("DESKIE_CDC_VERSION")) }
                }
            }
        }
    }
    .into_string()
}

fn escape(text: &str) -> String {
    html! { (text) }.into_string()
}

/// A moment: UTC here, in the viewer's zone by the script.
pub fn time(at: jiff::Timestamp) -> Markup {
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) { (at.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
}

/// The same of a moment as Postgres writes it.
pub fn time_of(text: &str) -> Markup {
    match text.parse() {
        Ok(at) => time(at),
        Err(_) => html! { (text) },
    }
}
