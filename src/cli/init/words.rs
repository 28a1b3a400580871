//! PURE: the words that tables, columns and values are called by: English, Turkish, Russian (in both alphabets), German,
//! and the commonest of French and Spanish. A word is a beginning: `сообщен` finds `сообщения`. A list is a text with
//! blanks between its words.

/// Tables of tickets.
pub(super) const TICKET: &str = "ticket case issue inquir enquir request conversation complaint thread support helpdesk dialog chat тикет \
    обращен заявк запрос жалоб диалог переписк obrash obrasch zayav zajav zapros tiket talep bilet destek \
    sikayet şikayet basvuru başvuru anfrag vorgang vorgäng vorgaeng störung stoerung meldung demande requete \
    reclamation incidencia solicitud consulta";
/// Tables of messages.
pub(super) const MESSAGE: &str = "message reply replie response answer comment post msg article сообщен ответ комментар soobs soobsch otvet \
    kommentar mesaj yanit yanıt cevap yorum nachricht antwort beitrag beiträg reponse mensaje respuesta";
/// Tables of people.
pub(super) const USER: &str = "user customer client account contact member person people profile visitor subscriber клиент пользовател \
    покупател klient polzovatel pokupatel musteri müşteri kullanici kullanıcı uye üye kunde benutzer nutzer \
    mitglied utilisateur usuario cliente";
/// Tables that have addresses of their own, and are no customers.
pub(super) const NOT_PERSON: &str = "queue department mailbox inbox team group brand shop store tenant agent staff employee operator admin kuyruk \
    departman bolum bölüm personel temsilci отдел очеред сотрудник оператор otdel sotrudnik abteilung \
    mitarbeiter warteschlange";
/// Tables of files.
pub(super) const FILE: &str = "attachment file upload document media ek ekler dosya вложен файл vlozhen anhang anhäng anhaeng datei adjunto \
    fichier";
/// Parts of a name that say: this is about tickets, but neither they nor what is said in them.
pub(super) const ASIDE: &str = "log history event audit tag label type status category categories priority priorities department setting \
    template view watcher follower assignment rating review survey migration archive backup note notes draft \
    reaction read seen metric job jobs queue session token article_tag canned macro gecmis geçmiş notlar заметк \
    журнал истори zametk istori notiz verlauf protokoll faq knowledge";

/// What a ticket is about.
pub(super) const SUBJECT: &str = "subject title topic summary heading konu baslik başlık тема заголов tema zagolov betreff titel thema sujet \
    objet titre asunto titulo";
/// The text of a message or ticket, the surest first.
pub(super) const BODY: &str = "body message content contents text body_text message_text message_body description details question comment \
    answer reply msg mesaj icerik içerik cevap yanit yanıt aciklama açıklama metin текст сообщение ответ \
    описание содержание tekst soobschenie soobshenie opisanie inhalt nachricht beschreibung contenu corps \
    contenido cuerpo mensaje body_html html";
/// Texts of a ticket that nobody has written to the site.
pub(super) const NOT_BODY: &str = "note resolution solution preview last cache signature internal private reason agent summary ai cozum çözüm \
    gizli решение заметк lösung loesung intern";
/// When it was made.
pub(super) const CREATED: &str = "created_at created created_on date_created creation_date created_date create_date create_time createdtime \
    inserted_at sent_at posted_at opened_at opened started_at written written_at timestamp time date \
    olusturma_tarihi olusturulma eklenme eklenme_tarihi gonderim_tarihi tarih создано создан дата_создания дата \
    data_sozdaniya sozdano data angelegt_am angelegt erstellt_am erstellt gesendet_am datum cree_le fecha \
    creado_en";
/// E-mail addresses.
pub(super) const EMAIL: &str = "email e_mail mail eposta posta почта pochta courriel correo";
/// Addresses that are no customer's.
pub(super) const NOT_EMAIL: &str = "to cc bcc verified confirmed token recipient mailbox inbox agent staff assignee reply notify notification \
    sent id template support hash at";
/// Phone numbers.
pub(super) const PHONE: &str = "phone mobile telefon gsm tel whatsapp msisdn cep телефон handy movil";
/// Names of people, whole.
pub(super) const NAME: &str = "full_name display_name customer_name user_name_full name ad_soyad adsoyad isim фио имя fio imya nombre nom \
    nick nickname username login";
/// First and last names.
pub(super) const FIRST_LAST: &[(&str, &str)] = &[
    ("first_name", "last_name"),
    ("firstname", "lastname"),
    ("ad", "soyad"),
    ("isim", "soyisim"),
    ("vorname", "nachname"),
    ("имя", "фамилия"),
    ("imya", "familiya"),
    ("prenom", "nom"),
    ("nombre", "apellido"),
];
/// Who wrote a message: a word or a number.
pub(super) const AUTHOR: &str = "author sender role direction from written writer yazan gonderen gönderen автор отправител avtor otpravitel \
    absender verfasser richtung auteur autor";
/// The author's name.
pub(super) const AUTHOR_NAME: &str = "author_name sender_name agent_name staff_name from_name";
/// An agent, in names and in values.
pub(super) const AGENT: &str = "agent staff admin administrator support operator employee team moderator manager outbound outgoing out \
    helpdesk temsilci personel destek yonetici yönetici yetkili giden сотрудник оператор поддержк админ менеджер \
    исходящ sotrudnik podderzhk menedzher mitarbeiter bearbeiter ausgehend empleado agente";
/// A customer, in names and in values.
pub(super) const CUSTOMER: &str = "customer user client requester visitor guest enduser member contact inbound incoming in buyer subscriber \
    musteri müşteri kullanici kullanıcı uye üye gelen клиент пользовател покупател заявител входящ klient \
    polzovatel pokupatel zayavitel kunde benutzer nutzer eingehend cliente usuario utilisateur";
/// What the site's program wrote for the staff, in values. A bot is none of it: it may speak to the customer.
pub(super) const MACHINE: &str = "system event sistem систем sistema";
/// A name with one of these says who may see something, or what became of it, and not who wrote it.
pub(super) const NOT_AUTHOR: &str = "only visible notify notified seen read sent show shown can to for need needs approved assigned informed \
    email";
/// The customer must not see it, in names and in values.
pub(super) const INTERNAL: &str = "internal private hidden note notes draft deleted removed spam secret confidential staffonly adminonly gizli \
    dahili ozel özel taslak silindi silinmis silinmiş внутрен служебн скрыт приват черновик удал заметк спам \
    vnutren sluzheb skryt chernovik udalen intern versteckt entwurf gelöscht geloescht notiz interne interno \
    prive privado brouillon borrador";
/// The customer may see it, in names.
pub(super) const PUBLIC: &str = "public visible published approved gorunur görünür yayinda yayında herkese acik açık публичн видим \
    опубликован publich vidim öffentlich oeffentlich sichtbar veröffentlicht publico";
/// What the customer sees, in values of a column for the kind of a message.
pub(super) const PUBLIC_KIND: &str = "public reply message answer comment text visible published email received sent delivered read mesaj yanit \
    yanıt cevap публичн ответ сообщени otvet soobs öffentlich nachricht antwort";
/// Of these kinds one may be the staff's own where there are replies beside it.
pub(super) const COMMENT: &str = "comment yorum коммент kommentar comentario commentaire";
/// Columns of a message that say nothing of who may see it.
pub(super) const HARMLESS: &str = "read seen viewed edited updated modified pinned starred html delivered notified unread first sort order \
    position version count rating score size source channel lang language locale format content mime ip provider \
    platform device currency country priority attachment attachments okundu goruldu прочитан процитирован \
    prochitan gelesen leido lu lock has external uuid url hash agent_string useragent";
/// States of a ticket, which are no matter of who may see it.
pub(super) const STATE: &str = "closed open resolved done solved answered handled urgent escalated erledigt geschlossen kapali kapalı \
    cozuldu çözüldü закрыт решен zakryt reshen important vip overdue locked";
/// When it was taken away.
pub(super) const GONE_AT: &str = "delet remov redact withdraw withdrawn retract erase hidden trash silin silme удал скрыт udal skryt gelösch geloesch supprim elimin";
/// When it was let out.
pub(super) const SHOWN_AT: &str = "publish approv yayin опубликован veröffentlicht";
/// Other times of a message or ticket, which decide nothing.
pub(super) const OTHER_AT: &str = "read seen updat modif edit deliver sent closed resolv solved answer last first due create open start okun \
    guncel прочит обновл изменен aktualisiert geändert notif cree sync regist login verif end";
/// Columns of a ticket that lead to the customer, the surest first.
pub(super) const CUSTOMER_ID: [&str; 4] = [
    "customer client requester musteri müşteri uye üye клиент klient kunde cliente заявител zayavitel member \
     reporter",
    "user contact account kullanici kullanıcı пользовател polzovatel benutzer usuario person",
    "author creator created opened submitter автор avtor from sender",
    "owner",
];
/// Columns of a ticket that lead to an agent.
pub(super) const NOT_CUSTOMER: &str = "assign agent staff admin closed updated resolved operator deleted last responsible handler atanan temsilci \
    personel ответственн исполнител сотрудник otvetstven ispolnitel sotrudnik bearbeiter mitarbeiter approved \
    merged modified";
/// The last part of a column's name that says: a key.
pub(super) const KEY_PART: &str = "id no nr num number key code kod ref uuid guid fk numara код";
/// What a column that is a flag and no boolean holds: yes and no.
pub(super) const YES_NO: &[(&str, &str)] = &[
    ("y", "n"),
    ("yes", "no"),
    ("true", "false"),
    ("t", "f"),
    ("1", "0"),
    ("e", "h"),
    ("evet", "hayır"),
    ("evet", "hayir"),
    ("j", "n"),
    ("ja", "nein"),
    ("д", "н"),
    ("да", "нет"),
    ("da", "net"),
    ("o", "n"),
    ("oui", "non"),
    ("s", "n"),
];
/// Where a file is.
pub(super) const FILE_URL: &str = "url file_url link public_url download_url";
/// Where a file is, on the site's disk.
pub(super) const FILE_PATH: &str = "path file_path filepath storage_path key storage_key";
/// A file's name.
pub(super) const FILE_NAME: &str = "file_name filename name original_name title";
/// A file's type.
pub(super) const MIME: &str = "mime mime_type content_type mimetype";

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

/// Whether a part of the name is, or begins with, one of the words. A short word (`ek`) would begin many others, so it
/// has to be the whole part; a long one counts inside a part, too (`ticketmessage`).
pub(super) fn has(name: &str, words: &str) -> bool {
    let parts = parts(name);
    let fits = |part: &str, word: &str| match word.chars().count() {
        0..4 => part == word,
        4..6 => part.starts_with(word),
        _ => part.contains(word),
    };
    each(words).any(|word| parts.iter().any(|part| fits(part, word)))
}

/// Whether a part of the name is one of the words.
pub(super) fn has_part(name: &str, words: &str) -> bool {
    parts(name)
        .iter()
        .any(|part| each(words).any(|word| word == part))
}

/// The words of a list.
pub(super) fn each(words: &str) -> std::str::SplitWhitespace<'_> {
    words.split_whitespace()
}

/// `createdAt` and `created_at` are the same.
pub(super) fn same(name: &str, word: &str) -> bool {
    parts(name).concat() == parts(word).concat()
}

/// `date_created` and `created_date` are the same.
pub(super) fn alike(name: &str, word: &str) -> bool {
    let sorted = |name: &str| {
        let mut parts = parts(name);
        parts.sort();
        parts.concat()
    };
    sorted(name) == sorted(word)
}

/// Whether two names are forms of one word: `talep` and `talepler`, `zayavka` and `zayavki`, `category` and `categories`.
pub(super) fn kin(left: &str, right: &str) -> bool {
    let bare = |name: &str| {
        let plural = ["leri", "lari", "ları", "ler", "lar"];
        let cut = plural.iter().find_map(|end| name.strip_suffix(end));
        cut.filter(|rest| rest.chars().count() >= 3)
            .unwrap_or(name)
            .to_owned()
    };
    let (left, right) = (bare(left), bare(right));
    let common = left
        .chars()
        .zip(right.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let (short, long) = (left.chars().count(), right.chars().count());
    let (short, long) = (short.min(long), short.max(long));
    common >= 3 && (common >= 4 || common == short) && common * 3 >= long * 2
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
        assert!(has("destek_talepleri", TICKET) && has("support_ticketmessage", MESSAGE));
        assert!(!has("weeks", FILE));
    }

    #[test]
    fn forms_of_a_word_are_kin() {
        for (left, right) in [
            ("talep", "talepler"),
            ("zayavka", "zayavki"),
            ("category", "categories"),
            ("uye", "uyeler"),
            ("user", "users"),
        ] {
            assert!(kin(left, right), "{left} {right}");
        }
        for (left, right) in [
            ("ticket", "ticketmessage"),
            ("order", "organisation"),
            ("in", "intern"),
        ] {
            assert!(!kin(left, right), "{left} {right}");
        }
    }
}
