//! PURE: the draft config as sections and lines, and its text.

/// What stands behind a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// An expression or a word.
    Sql(String),
    /// A question that only the site's people can answer: no config with one in it is taken.
    Todo {
        question: String,
        /// What may be the answer.
        offer: Option<String>,
    },
}

impl Value {
    /// An open question with what may be its answer.
    pub(super) fn todo(question: impl Into<String>, offer: impl Into<String>) -> Value {
        Value::Todo {
            question: question.into(),
            offer: Some(offer.into()),
        }
    }

    /// Whether it is an open question.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Value::Todo { .. })
    }
}

/// A piece of a section.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// `key = "value"   # why`
    Line {
        /// The key, as TOML writes it.
        key: String,
        value: Value,
        why: String,
    },
    /// `key = ["a", "b"]`
    List(String, Vec<String>),
    /// A remark.
    Comment(String),
}

/// A section of the draft.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// e.g. `[ticket]`.
    pub(super) header: &'static str,
    /// Behind it.
    pub(super) about: &'static str,
    /// What stands in it.
    pub(super) items: Vec<Item>,
}

impl Section {
    /// An empty section.
    pub(super) fn new(header: &'static str, about: &'static str) -> Section {
        Section {
            header,
            about,
            items: Vec::new(),
        }
    }

    /// Adds a line.
    pub(super) fn line(&mut self, key: &str, value: impl Into<String>, why: impl Into<String>) {
        self.value(key, Value::Sql(value.into()), why);
    }

    /// Adds a line that may be a question.
    pub(super) fn value(&mut self, key: &str, value: Value, why: impl Into<String>) {
        self.items.push(Item::Line {
            key: bare_or_quoted(key),
            value,
            why: why.into(),
        });
    }

    /// Adds one name, or a list.
    pub(super) fn names(&mut self, key: &str, names: &[String]) {
        match names {
            [one] => self.line(key, one, ""),
            many => self.items.push(Item::List(key.to_owned(), many.to_vec())),
        }
    }

    /// Adds a remark.
    pub(super) fn comment(&mut self, text: impl Into<String>) {
        self.items.push(Item::Comment(text.into()));
    }

    /// Adds a question that the draft works without an answer to.
    pub(super) fn question(&mut self, text: impl AsRef<str>) {
        self.comment(format!("TODO? {}", text.as_ref()));
    }
}

/// Which text is made of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// For the user: an open question is a value that no config is taken with.
    Whole,
    /// To be tried: open questions are left out.
    Tried,
}

/// The questions that are open, each as `section key: question`.
pub(super) fn open(sections: &[Section]) -> Vec<String> {
    let items = sections
        .iter()
        .flat_map(|section| section.items.iter().map(move |item| (section.header, item)));
    let question = |(header, item): (&str, &Item)| match item {
        Item::Line {
            key,
            value: Value::Todo { question, .. },
            ..
        } => Some(format!("{header} {key}: {question}")),
        _ => None,
    };
    items.filter_map(question).collect()
}

/// The text of the draft, for a database at that address.
pub(super) fn text(sections: &[Section], url: &str, form: Form) -> String {
    let mut text = HEAD.replace("{url}", url);
    for section in sections {
        let about = if section.about.is_empty() {
            String::new()
        } else {
            format!("   # {}", section.about)
        };
        text.push_str(&format!("\n{}{about}\n", section.header));
        for item in &section.items {
            text.push_str(&line(item, form));
        }
    }
    text
}

fn line(item: &Item, form: Form) -> String {
    match item {
        Item::Line {
            key,
            value: Value::Sql(value),
            why,
        } => {
            let why = if why.is_empty() {
                String::new()
            } else {
                format!("   # {}", one_line(why))
            };
            format!("{key} = {}{why}\n", string(value))
        }
        Item::Line {
            key,
            value: Value::Todo { question, offer },
            ..
        } => {
            // Without these no config is one: what may be the answer stands in for it.
            if form == Form::Tried
                && ["ticket", "url", "base"].contains(&key.as_str())
                && let Some(offer) = offer
            {
                return format!("{key} = {}\n", string(offer));
            }
            let offer = offer
                .as_ref()
                .map(|offer| format!("# perhaps: {key} = {}\n", string(&one_line(offer))));
            match form {
                Form::Whole => format!(
                    "{}{key} = {}\n",
                    offer.unwrap_or_default(),
                    basic(&format!("TODO: {}", one_line(question)))
                ),
                Form::Tried => String::new(),
            }
        }
        Item::List(key, values) => {
            let values: Vec<String> = values.iter().map(|value| string(value)).collect();
            format!("{key} = [{}]\n", values.join(", "))
        }
        Item::Comment(text) => text.lines().map(|line| format!("# {line}\n")).collect(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A TOML string.
pub(super) fn string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A TOML string in plain quotes, whatever stands in it: a question is found by `"TODO`.
fn basic(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A key of TOML. Reserved words of SQL are no matter: column names are quoted by us.
fn bare_or_quoted(name: &str) -> String {
    let is_bare = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if is_bare { name.to_owned() } else { string(name) }
}

const HEAD: &str = r#"# A draft by `deskie-cdc init`: each guess has its reason beside it.
# A value that begins with TODO is a question that has to be answered: put the answer in its place, or take the line out.
# A remark with `TODO?` is a question that it works without. Then:
#   deskie-cdc check     tests everything, looks at the newest rows, and says how to mend what is wrong
#   deskie-cdc plan      shows what would be sent, and sends nothing

[postgres]
# looked at: {url}
# The connector's own user, connected directly, not through a pooler; `deskie-cdc setup --admin-url …` makes it.
url = "${DESKIE_CDC_DATABASE_URL}"

[deskie]
url = "${DESKIE_URL}"                    # https://<your account>.deskie.io
staff_email = "${DESKIE_STAFF_EMAIL}"    # the staff member whose API key it is
api_key = "${DESKIE_API_KEY}"
ticket_field = "${DESKIE_TICKET_FIELD}"  # N of the case custom field cf_N (text) that holds the ticket's key; see `deskie-cdc rules`

[server]
listen = "0.0.0.0:8787"
webhook_secret = "${DESKIE_WEBHOOK_SECRET}"
"#;
