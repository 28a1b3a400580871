//! The sample site: a small help page with users, tickets and messages, and its mapping.
//!
//! The functions at the end act as the site's own application does; nothing in them knows of a connector.

use tokio_postgres::{Client, Error, GenericClient};

/// The site's tables, with a few users and old tickets: `sql/sample_site.sql`.
pub const SQL: &str = include_str!("../../../sql/sample_site.sql");

/// Its config file; what differs from place to place comes from the environment: `sql/sample_site.toml`.
pub const CONFIG: &str = include_str!("../../../sql/sample_site.toml");

/// What one logs in to the sample's console with.
pub const ADMIN_TOKEN: &str = "demo-admin-token";

/// What differs from place to place in the sample site's config.
#[derive(Debug, Clone)]
pub struct Places {
    /// `[postgres] url`
    pub database_url: String,
    pub deskie_url: String,
    /// `[deskie] staff_email`
    pub staff_email: String,
    /// `[deskie] api_key`
    pub api_key: String,
    /// `[server] listen`
    pub listen: String,
    /// `[server] admin_listen`
    pub admin_listen: String,
    /// `[server] webhook_secret`
    pub webhook_secret: String,
}

/// The config file with these places written in.
pub fn config(places: &Places) -> String {
    let values = [
        ("DESKIE_CDC_DATABASE_URL", &places.database_url),
        ("DESKIE_URL", &places.deskie_url),
        ("DESKIE_STAFF_EMAIL", &places.staff_email),
        ("DESKIE_API_KEY", &places.api_key),
        ("DESKIE_CDC_LISTEN", &places.listen),
        ("DESKIE_CDC_ADMIN_LISTEN", &places.admin_listen),
        ("DESKIE_WEBHOOK_SECRET", &places.webhook_secret),
        ("DESKIE_ADMIN_TOKEN", &ADMIN_TOKEN.to_owned()),
    ];
    CONFIG
        .lines()
        .map(|line| with_values(line, &values) + "\n")
        .collect()
}

/// A line of the file in which `${NAME…}` stands for a value, if it holds one.
fn with_values(line: &str, values: &[(&str, &String)]) -> String {
    let parts = line.split_once("${").and_then(|(before, rest)| {
        let (variable, after) = rest.split_once('}')?;
        let name = variable.split(':').next()?;
        let (_, value) = values.iter().find(|(known, _)| *known == name)?;
        Some((before, value, after))
    });
    match parts {
        Some((before, value, after)) => {
            // It stands in a TOML string.
            let value = value.replace('\\', r"\\").replace('"', "\\\"");
            format!("{before}{value}{after}")
        }
        None => line.to_owned(),
    }
}

/// Makes the site's tables in an empty database.
pub async fn load(client: &Client) -> Result<(), Error> {
    client.batch_execute(SQL).await
}

/// A message as the site shows it on the ticket's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its key.
    pub id: i64,
    /// `customer` or `agent`.
    pub author: String,
    /// The agent's name, if known.
    pub author_name: Option<String>,
    /// The text.
    pub body: String,
}

/// A customer opens a ticket; gives its key.
pub async fn open_ticket(
    client: &impl GenericClient,
    email: &str,
    subject: &str,
    body: &str,
) -> Result<i64, Error> {
    let sql = "insert into tickets (user_id, subject, body) select id, $2, $3 from users where email = $1 returning id";
    Ok(client.query_one(sql, &[&email, &subject, &body]).await?.get(0))
}

/// A customer begins a live chat; gives its key.
pub async fn open_chat(client: &Client, email: &str, subject: &str, body: &str) -> Result<i64, Error> {
    let sql = "insert into tickets (user_id, subject, body, is_chat) select id, $2, $3, true from users where email = $1 returning id";
    Ok(client.query_one(sql, &[&email, &subject, &body]).await?.get(0))
}

/// The customer writes on the ticket's page; gives the message's key.
pub async fn customer_reply(client: &impl GenericClient, ticket: i64, body: &str) -> Result<i64, Error> {
    let sql = "with reply as (insert into messages (ticket_id, author, body) values ($1, 'customer', $2) returning id), \
               touched as (update tickets set status = 'open', updated_at = now() where id = $1) \
               select id from reply";
    Ok(client.query_one(sql, &[&ticket, &body]).await?.get(0))
}

/// A customer of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// His key.
    pub id: i64,
    /// His address.
    pub email: String,
    /// His name.
    pub full_name: String,
}

/// Everybody who has an account on the site.
pub async fn list_users(client: &Client) -> Result<Vec<User>, Error> {
    let rows = client
        .query("select id, email, full_name from users order by id", &[])
        .await?;
    Ok(rows
        .iter()
        .map(|row| User {
            id: row.get("id"),
            email: row.get("email"),
            full_name: row.get("full_name"),
        })
        .collect())
}

/// A ticket as the site shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Its key.
    pub id: i64,
    pub subject: String,
    /// What the customer wrote when opening it.
    pub body: String,
    /// `open`, `answered` or `closed`.
    pub status: String,
    /// How many answers the site counts.
    pub replies: i32,
    /// A live chat.
    pub is_chat: bool,
}

/// A customer's tickets, the newest first.
pub async fn list_tickets(client: &Client, user: i64) -> Result<Vec<Ticket>, Error> {
    let sql = "select id, subject, body, status::text, replies_count, is_chat from tickets where user_id = $1 order by id desc";
    let rows = client.query(sql, &[&user]).await?;
    Ok(rows
        .iter()
        .map(|row| Ticket {
            id: row.get("id"),
            subject: row.get("subject"),
            body: row.get("body"),
            status: row.get("status"),
            replies: row.get("replies_count"),
            is_chat: row.get("is_chat"),
        })
        .collect())
}

/// A file that a customer attaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub name: String,
    /// Its MIME type.
    pub mime: String,
    pub content: Vec<u8>,
}

/// A customer opens a ticket, perhaps with a file, in one transaction; gives its key.
pub async fn post_ticket(
    client: &mut Client,
    email: &str,
    subject: &str,
    body: &str,
    file: Option<&File>,
) -> Result<i64, Error> {
    let transaction = client.transaction().await?;
    let ticket = open_ticket(&transaction, email, subject, body).await?;
    if let Some(file) = file {
        attach(&transaction, ticket, None, file).await?;
    }
    transaction.commit().await?;
    Ok(ticket)
}

/// The customer writes on the ticket's page, perhaps with a file, in one transaction; gives the message's key.
pub async fn post_reply(
    client: &mut Client,
    ticket: i64,
    body: &str,
    file: Option<&File>,
) -> Result<i64, Error> {
    let transaction = client.transaction().await?;
    let message = customer_reply(&transaction, ticket, body).await?;
    if let Some(file) = file {
        attach(&transaction, ticket, Some(message), file).await?;
    }
    transaction.commit().await?;
    Ok(message)
}

async fn attach(
    client: &impl GenericClient,
    ticket: i64,
    message: Option<i64>,
    file: &File,
) -> Result<(), Error> {
    let sql =
        "insert into ticket_files (ticket_id, message_id, name, mime, content) values ($1, $2, $3, $4, $5)";
    client
        .execute(sql, &[&ticket, &message, &file.name, &file.mime, &file.content])
        .await?;
    Ok(())
}

/// The names of a ticket's files, each with the message that it belongs to, if it does not belong to the ticket itself.
pub async fn list_files(client: &Client, ticket: i64) -> Result<Vec<(Option<i64>, String)>, Error> {
    let sql = "select message_id, name from ticket_files where ticket_id = $1 order by id";
    let rows = client.query(sql, &[&ticket]).await?;
    Ok(rows
        .iter()
        .map(|row| (row.get("message_id"), row.get("name")))
        .collect())
}

/// What the customer sees on the ticket's page, the oldest first.
pub async fn list_messages(client: &Client, ticket: i64) -> Result<Vec<Message>, Error> {
    let sql = "select id, author, author_name, body from messages \
               where ticket_id = $1 and not is_internal order by created_at, id";
    let rows = client.query(sql, &[&ticket]).await?;
    Ok(rows
        .iter()
        .map(|row| Message {
            id: row.get("id"),
            author: row.get("author"),
            author_name: row.get("author_name"),
            body: row.get("body"),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            database_url: "postgres://deskie_cdc@127.0.0.1:1/site".to_owned(),
            deskie_url: "http://127.0.0.1:8080".to_owned(),
            staff_email: "api@example.com".to_owned(),
            api_key: "a\"b".to_owned(),
            listen: "127.0.0.1:0".to_owned(),
            admin_listen: "127.0.0.1:0".to_owned(),
            webhook_secret: "s".to_owned(),
        }
    }

    #[test]
    fn the_config_holds_the_places_and_no_variable() {
        let text = config(&places());
        let value: toml::Table = text.parse().unwrap();
        assert_eq!(
            value["postgres"]["url"].as_str(),
            Some("postgres://deskie_cdc@127.0.0.1:1/site")
        );
        assert_eq!(value["deskie"]["api_key"].as_str(), Some("a\"b"));
        assert!(!text.contains("${"), "{text}");
    }

    #[test]
    fn the_mapping_fits_on_one_screen() {
        let mapping = CONFIG.split_once("[ticket]\n").unwrap().1;
        let (mapping, _) = mapping.split_once("[[attachment]]").unwrap();
        let lines = mapping.lines().filter(|line| line.contains(" = ")).count();
        assert!(lines <= 16, "{lines} lines");
    }
}
