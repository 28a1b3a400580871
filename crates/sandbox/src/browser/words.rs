//! The words of the site's page, in its customer's language.

/// What stands on the site's page.
pub(super) struct Words {
    /// For `<html lang>`.
    pub lang: &'static str,
    /// The page's title.
    pub tickets: &'static str,
    /// Where there are none.
    pub none: &'static str,
    /// The form's heading.
    pub new: &'static str,
    pub subject: &'static str,
    pub text: &'static str,
    pub file: &'static str,
    pub send: &'static str,
    pub back: &'static str,
    /// A live chat, and the button that begins one.
    pub chat: &'static str,
    pub begin_chat: &'static str,
    /// Who wrote a message.
    pub you: &'static str,
    pub support: &'static str,
    /// Its status: open, answered, closed.
    pub status: [&'static str; 3],
}

const TURKISH: Words = Words {
    lang: "tr",
    tickets: "Destek taleplerim",
    none: "Henüz bir destek talebiniz yok.",
    new: "Yeni destek talebi",
    subject: "Konu",
    text: "Mesajınız",
    file: "Dosya",
    send: "Gönder",
    back: "Tüm taleplerim",
    chat: "Canlı sohbet",
    begin_chat: "Sohbeti başlat",
    you: "Siz",
    support: "Destek ekibi",
    status: ["Açık", "Yanıtlandı", "Kapalı"],
};

const RUSSIAN: Words = Words {
    lang: "ru",
    tickets: "Мои обращения",
    none: "У вас пока нет обращений.",
    new: "Новое обращение",
    subject: "Тема",
    text: "Ваше сообщение",
    file: "Файл",
    send: "Отправить",
    back: "Все обращения",
    chat: "Онлайн-чат",
    begin_chat: "Начать чат",
    you: "Вы",
    support: "Поддержка",
    status: ["Открыто", "Есть ответ", "Закрыто"],
};

const ENGLISH: Words = Words {
    lang: "en",
    tickets: "My tickets",
    none: "You have no tickets yet.",
    new: "New ticket",
    subject: "Subject",
    text: "Your message",
    file: "File",
    send: "Send",
    back: "All my tickets",
    chat: "Live chat",
    begin_chat: "Start the chat",
    you: "You",
    support: "Support",
    status: ["Open", "Answered", "Closed"],
};

impl Words {
    /// In the language that a customer's name is written in.
    pub(super) fn of(full_name: &str) -> &'static Words {
        let holds = |letters: fn(char) -> bool| full_name.chars().any(letters);
        match () {
            () if holds(|c| ('\u{400}'..='\u{4ff}').contains(&c)) => &RUSSIAN,
            () if holds(|c| "şğıöüçŞĞİÖÜÇ".contains(c)) => &TURKISH,
            () => &ENGLISH,
        }
    }

    /// A status of the site's.
    pub(super) fn status(&self, status: &str) -> &'static str {
        let [open, answered, closed] = self.status;
        match status {
            "answered" => answered,
            "closed" => closed,
            _ => open,
        }
    }
}
