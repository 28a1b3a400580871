//! PURE: the words that tables and columns are called by, in English, Turkish and Russian.

/// Tables of tickets, the surest first.
pub(super) const TICKET: &[&str] = &[
    "ticket",
    "тикет",
    "обращен",
    "talep",
    "bilet",
    "case",
    "заявк",
    "issue",
    "inquir",
    "enquir",
    "request",
    "destek",
    "conversation",
    "complaint",
    "sikayet",
    "şikayet",
    "thread",
    "запрос",
    "support",
    "helpdesk",
];
/// Tables of messages.
pub(super) const MESSAGE: &[&str] = &[
    "message",
    "reply",
    "replie",
    "сообщен",
    "mesaj",
    "response",
    "answer",
    "comment",
    "yanit",
    "yanıt",
    "cevap",
    "ответ",
    "yorum",
    "комментар",
    "post",
    "msg",
];
/// Tables of people.
pub(super) const USER: &[&str] = &[
    "user",
    "customer",
    "client",
    "account",
    "contact",
    "member",
    "person",
    "people",
    "profile",
    "musteri",
    "müşteri",
    "kullanici",
    "kullanıcı",
    "uye",
    "клиент",
    "пользовател",
];
/// Tables of files.
pub(super) const FILE: &[&str] = &[
    "attachment",
    "file",
    "upload",
    "document",
    "ek",
    "dosya",
    "вложен",
    "файл",
];
/// Parts of a name that say: this is about tickets, but not the tickets.
pub(super) const ASIDE: &[&str] = &[
    "log",
    "history",
    "event",
    "audit",
    "tag",
    "label",
    "type",
    "status",
    "category",
    "categories",
    "priority",
    "priorities",
    "department",
    "setting",
    "template",
    "view",
    "watcher",
    "assignment",
    "rating",
    "migration",
    "archive",
    "backup",
];

/// Columns.
pub(super) const SUBJECT: &[&str] = &[
    "subject", "title", "topic", "konu", "baslik", "başlık", "тема", "summary", "heading",
];
/// The text of a message or ticket.
pub(super) const BODY: &[&str] = &[
    "body",
    "message",
    "content",
    "text",
    "description",
    "body_text",
    "details",
    "question",
    "comment",
    "mesaj",
    "icerik",
    "içerik",
    "aciklama",
    "açıklama",
    "metin",
    "текст",
    "сообщение",
    "описание",
    "msg",
    "body_html",
    "html",
];
/// When it was made.
pub(super) const CREATED: &[&str] = &[
    "created_at",
    "createdat",
    "created",
    "created_on",
    "date_created",
    "creation_date",
    "inserted_at",
    "sent_at",
    "posted_at",
    "timestamp",
    "date",
    "olusturma_tarihi",
    "tarih",
    "дата",
    "created_date",
    "create_date",
];
/// E-mail addresses.
pub(super) const EMAIL: &[&str] = &[
    "email",
    "e_mail",
    "mail",
    "email_address",
    "emailaddress",
    "eposta",
    "e_posta",
    "customer_email",
    "user_email",
    "from_email",
    "requester_email",
    "contact_email",
    "почта",
];
/// Phone numbers.
pub(super) const PHONE: &[&str] = &[
    "phone",
    "phone_number",
    "mobile",
    "telefon",
    "gsm",
    "tel",
    "телефон",
    "customer_phone",
];
/// Names of people.
pub(super) const NAME: &[&str] = &[
    "full_name",
    "fullname",
    "name",
    "display_name",
    "displayname",
    "ad_soyad",
    "isim",
    "имя",
    "customer_name",
    "username",
    "login",
];
/// Who wrote a message: a word.
pub(super) const AUTHOR: &[&str] = &[
    "author",
    "author_type",
    "sender_type",
    "sender",
    "author_role",
    "role",
    "from_type",
    "user_type",
    "direction",
    "kind",
    "type",
    "written_by",
    "gonderen",
    "gönderen",
    "автор",
];
/// The author's name.
pub(super) const AUTHOR_NAME: &[&str] = &[
    "author_name",
    "sender_name",
    "agent_name",
    "staff_name",
    "from_name",
];
/// True where an agent wrote it.
pub(super) const IS_AGENT: &[&str] = &[
    "is_staff",
    "is_agent",
    "is_admin",
    "from_staff",
    "from_agent",
    "from_admin",
    "by_staff",
    "by_agent",
    "by_admin",
    "staff_reply",
    "is_operator",
    "is_support",
    "agent",
    "staff",
    "admin",
    "is_staff_reply",
    "is_agent_reply",
];
/// True where the customer wrote it.
pub(super) const IS_CUSTOMER: &[&str] = &[
    "is_customer",
    "from_customer",
    "by_customer",
    "is_client",
    "from_client",
    "is_user",
    "from_user",
    "by_user",
    "incoming",
    "inbound",
];
/// The agent who wrote it, or NULL.
pub(super) const AGENT_ID: &[&str] = &[
    "staff_id",
    "agent_id",
    "admin_id",
    "operator_id",
    "employee_id",
    "support_id",
];
/// True where the customer must not see it.
pub(super) const INTERNAL: &[&str] = &[
    "is_internal",
    "internal",
    "is_private",
    "private",
    "is_note",
    "is_hidden",
    "hidden",
    "is_draft",
    "draft",
    "is_deleted",
    "deleted",
];
/// True where the customer may see it.
pub(super) const PUBLIC: &[&str] = &["is_public", "public", "is_visible", "visible"];
/// Columns of a ticket that lead to the customer.
pub(super) const CUSTOMER_ID: &[&str] = &[
    "user",
    "customer",
    "client",
    "requester",
    "author",
    "creator",
    "created",
    "owner",
    "contact",
    "account",
    "member",
    "musteri",
];
/// Columns of a ticket that lead to an agent.
pub(super) const NOT_CUSTOMER: &[&str] = &[
    "assign", "agent", "staff", "admin", "closed", "updated", "resolved", "operator",
];
/// Where a file is.
pub(super) const FILE_URL: &[&str] = &["url", "file_url", "link", "public_url", "download_url"];
/// Where a file is, on the site's disk.
pub(super) const FILE_PATH: &[&str] = &[
    "path",
    "file_path",
    "filepath",
    "storage_path",
    "key",
    "storage_key",
];
/// A file's name.
pub(super) const FILE_NAME: &[&str] = &["file_name", "filename", "name", "original_name", "title"];
/// A file's type.
pub(super) const MIME: &[&str] = &["mime", "mime_type", "content_type", "contenttype", "mimetype"];

/// What sites call a customer in a message's author.
pub(super) const CUSTOMER_WORDS: &[&str] = &[
    "customer",
    "user",
    "client",
    "requester",
    "visitor",
    "guest",
    "end_user",
    "enduser",
    "member",
    "contact",
    "inbound",
    "incoming",
    "in",
    "musteri",
    "müşteri",
    "kullanici",
    "kullanıcı",
    "клиент",
    "пользователь",
];
/// What sites call an agent there.
pub(super) const AGENT_WORDS: &[&str] = &[
    "agent",
    "staff",
    "admin",
    "support",
    "operator",
    "employee",
    "team",
    "outbound",
    "outgoing",
    "out",
    "temsilci",
    "personel",
    "destek",
    "yonetici",
    "yönetici",
    "сотрудник",
    "оператор",
    "поддержка",
    "админ",
];

/// A name in its words: `supportTickets` → support, tickets.
pub(super) fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_lower) {
            parts.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(last) = parts.last_mut()
        {
            last.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// How well a table's name fits: the place of the first word that one of its parts begins with.
pub(super) fn rank(name: &str, words: &[&str]) -> Option<usize> {
    let parts = parts(name);
    // A short word (`ek`) would begin many others.
    let fits = |part: &str, word: &str| {
        if word.chars().count() < 4 {
            part == word
        } else {
            part.starts_with(word)
        }
    };
    words
        .iter()
        .position(|word| parts.iter().any(|part| fits(part, word)))
}

/// `createdAt` and `created_at` are the same.
pub(super) fn same(name: &str, word: &str) -> bool {
    parts(name).concat() == parts(word).concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_words() {
        for (name, expected) in [
            ("supportTickets", vec!["support", "tickets"]),
            ("ticket_reply_2", vec!["ticket", "reply", "2"]),
            ("Тикеты", vec!["тикеты"]),
            ("__x", vec!["x"]),
        ] {
            assert_eq!(parts(name), expected);
        }
        assert!(same("createdAt", "created_at"));
        assert_eq!(rank("destek_talepleri", TICKET), Some(3));
        assert_eq!(rank("weeks", FILE), None);
        assert_eq!(rank("ticketMessages", MESSAGE), Some(0));
    }
}
