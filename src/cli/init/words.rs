//! PURE: the words that tables, columns and values are called by: English, Turkish, Russian (in both alphabets), German,
//! and the commonest of French and Spanish. A word is a beginning: `сообщен` finds `сообщения`. A list is a text with
//! blanks between its words.

/// Tables of tickets.
pub(super) const TICKET: &str = "ticket case issue inquir enquir request conversation complaint thread support helpdesk dialog chat тикет \
    обращен заявк запрос жалоб диалог переписк obrash obrasch zayav zajav zapros tiket talep bilet destek \
    sikayet şikayet basvuru başvuru anfrag vorgang vorgäng vorgaeng störung stoerung meldung demande requete \
    reclamation incidencia solicitud consulta \
    obrasen zglosz zgłosz bilety sprawa sprawy reklamac segnalaz richiest chamado atendimento solicitac görüşme gorusme звернен verzoek melding ärende henvendelse tiketti";
/// Tables of messages.
pub(super) const MESSAGE: &str = "message reply replie response answer comment post msg article сообщен ответ комментар soobs soobsch otvet \
    kommentar mesaj yanit yanıt cevap yorum nachricht antwort beitrag beiträg reponse mensaje respuesta \
    wiadom odpowied odpowiedz messaggi risposta commenti mensagem mensagen resposta comentario comentário повідомл відповід bericht antwoord";
/// Tables of people.
pub(super) const USER: &str = "user customer client account contact member person people profile visitor subscriber клиент пользовател \
    покупател klient polzovatel pokupatel musteri müşteri kullanici kullanıcı uye üye kunde benutzer nutzer \
    mitglied utilisateur usuario cliente \
    uzytkown użytkown klienci osob lyudi kisi kişi hesap uczestnik utenti utente clienti persona usuário usuario pessoa користувач клієнт gebruiker klant";
/// Tables that have addresses of their own, and are no customers.
pub(super) const NOT_PERSON: &str = "queue department mailbox inbox team group brand shop store tenant agent staff employee operator admin kuyruk \
    departman bolum bölüm personel temsilci отдел очеред сотрудник оператор otdel sotrudnik abteilung \
    mitarbeiter warteschlange \
    dzial dział pracown konsultant empleado reparto sede sucursal sube şube filial";
/// Tables of files.
pub(super) const FILE: &str = "attachment file upload document media ek ekler eki dosya вложен файл прикреп vlozhen fayl fajl prikrep anhang anhäng anhaeng datei \
    anlage anlagen adjunto fichier jointe jointes \
    zalacz załącz plik allegat anexo arquivo archivo";
/// Parts of a name that say: this is about tickets, but neither they nor what is said in them.
pub(super) const ASIDE: &str = "log history event audit tag label type status category categories priority priorities department setting \
    template view watcher follower assignment rating review survey migration archive backup note notes draft \
    reaction read seen metric job jobs queue session token article_tag canned macro gecmis geçmiş notlar заметк \
    журнал истори zametk istori notiz verlauf protokoll faq knowledge \
    historia evento eventos registro bitacora dziennik olay zdarzen";

/// What a ticket is about.
pub(super) const SUBJECT: &str = "subject title topic summary heading headline konu baslik başlık тема заголов tema zagolov betreff titel thema sujet \
    objet titre asunto titulo \
    temat tytul tytuł oggetto titolo assunto título";
/// The text of a message or ticket, the surest first.
pub(super) const BODY: &str = "body message content contents text body_text message_text message_body description details question comment \
    answer reply msg mesaj icerik içerik cevap yanit yanıt aciklama açıklama metin текст сообщение ответ \
    описание содержание tekst soobschenie soobshenie opisanie inhalt nachricht beschreibung contenu corps \
    contenido cuerpo mensaje body_html html \
    tresc treść wiadomosc wiadomość odpowiedz opis mensaje texto testo messaggio corpo descrizione mensagem conteudo descricao descripcion respuesta повідомлення текст опис";
/// Texts of a ticket that nobody has written to the site.
pub(super) const NOT_BODY: &str = "note resolution solution preview last cache signature internal private reason agent summary ai cozum çözüm \
    gizli решение заметк lösung loesung intern";
/// When it was made.
pub(super) const CREATED: &str = "created_at created created_on date_created creation_date created_date create_date create_time createdtime \
    inserted_at sent_at created_at_utc created_utc sent_at_utc posted_at opened_at opened started_at written written_at timestamp time date \
    olusturma_tarihi olusturulma eklenme eklenme_tarihi gonderim_tarihi tarih создано создан дата_создания дата \
    data_sozdaniya sozdano data angelegt_am angelegt eingang erstellt_am erstellt gesendet_am datum cree_le fecha \
    creado_en \
    utworzono data_utworzenia dodano wyslano creado creado_el fecha_creacion creato creato_il criado_em data_criacao acilis açılış acilma acilis_tarihi kayit_tarihi";
/// E-mail addresses.
pub(super) const EMAIL: &str = "email e_mail mail eposta posta почта pochta courriel correo \
    correo_electronico mejl poczta pochtoviy imeyl";
/// Addresses that are no customer's.
pub(super) const NOT_EMAIL: &str = "to cc bcc verified confirmed token recipient mailbox inbox agent staff assignee reply notify notification \
    sent id template support hash at";
/// Phone numbers.
pub(super) const PHONE: &str = "phone mobile telefon gsm tel whatsapp msisdn cep телефон handy movil \
    telefono telefone celular komorka";
/// Names of people, whole.
pub(super) const NAME: &str = "full_name display_name customer_name user_name_full name ad_soyad adsoyad isim фио имя fio imya nombre nom \
    nick nickname username login \
    imie_nazwisko imie nome nombre_completo ime";
/// First and last names.
pub(super) const FIRST_LAST: &[(&str, &str)] = &[
    ("first_name", "last_name"),
    ("firstname", "lastname"),
    ("ad", "soyad"),
    ("adi", "soyadi"),
    ("adı", "soyadı"),
    ("isim", "soyisim"),
    ("vorname", "nachname"),
    ("имя", "фамилия"),
    ("imya", "familiya"),
    ("prenom", "nom"),
    ("nombre", "apellido"),
    ("nombre", "apellidos"),
    ("imie", "nazwisko"),
    ("nome", "cognome"),
    ("nome", "sobrenome"),
    ("given_name", "family_name"),
    ("ime", "prezime"),
];
/// Who wrote a message: a word or a number.
pub(super) const AUTHOR: &str = "author sender role direction from written writer yazan cevaplayan yanitlayan yanıtlayan yazar gonderen gönderen автор отправител avtor otpravitel \
    absender verfasser richtung auteur autor \
    remitente emisor nadawca mittente remetente yon yön kierunek direccion direzione";
/// The author's name.
pub(super) const AUTHOR_NAME: &str = "author_name sender_name agent_name staff_name from_name";
/// An agent, in names and in values.
pub(super) const AGENT: &str = "agent staff admin administrator support operator employee team moderator moderador manager outbound outgoing out \
    helpdesk temsilci personel destek yonetici yönetici yetkili giden сотрудник оператор поддержк админ менеджер \
    исходящ sotrudnik podderzhk menedzher mitarbeiter bearbeiter ausgehend empleado agente \
    ausgang salida saida konsultant pracownik obsluga obsługa wychodz wsparcie operatore assistenza soporte saliente funcionario atendente suporte podderzk poddershk оператор підтримк medewerker danisman danışman";
/// A customer, in names and in values.
pub(super) const CUSTOMER: &str = "customer user client requester visitor guest enduser member contact inbound incoming in buyer subscriber \
    musteri müşteri kullanici kullanıcı uye üye gelen клиент пользовател покупател заявител входящ klient \
    polzovatel pokupatel zayavitel kunde benutzer nutzer eingehend cliente usuario utilisateur \
    eingang uzytkownik użytkownik przychodz utente entrante entrada usuário зайшл mijoz gast misafir gość gosc";
/// What the site's program wrote for the staff, in values. A bot is none of it: it may speak to the customer.
pub(super) const MACHINE: &str = "system event sistem систем sistema \
    systeme systemowy";
/// A name with one of these says who may see something, or what became of it, and not who wrote it.
pub(super) const NOT_AUTHOR: &str = "only visible notify notified seen read sent show shown can to for need needs approved assigned informed \
    email";
/// In names: parts that say that somebody wrote it.
pub(super) const WRITTEN: &str =
    "is by from was sent posted made created reply replied answered answer mi mu ot от von de por es od da";
/// The customer must not see it, in names and in values.
pub(super) const INTERNAL: &str = "internal private hidden note notes draft deleted removed spam secret confidential staffonly adminonly gizli ic iç \
    dahili ozel özel taslak silindi silinmis silinmiş внутрен служебн скрыт приват черновик удал заметк спам \
    vnutren sluzheb skryt chernovik udalen intern versteckt entwurf gelöscht geloescht notiz interne interno \
    prive privado brouillon borrador \
    wewnetrz wewnętrz prywatn notatk ukryt szkic usuniet usunięt interna oculto oculta borrador eliminad nota notas nascost cancellat eliminat interno rascunho rahasia";
/// The customer may see it, in names.
pub(super) const PUBLIC: &str = "public visible published approved freigegeben gorunur görünür yayinda yayında herkese acik açık публичн видим видно vidno \
    опубликован publich vidim öffentlich oeffentlich sichtbar veröffentlicht publico \
    publiczn widoczn visibile pubblic visivel público";
/// What the customer sees, in values of a column for the kind of a message.
pub(super) const PUBLIC_KIND: &str = "public reply message answer comment text visible published email received sent delivered read mesaj yanit \
    yanıt cevap публичн ответ сообщени otvet soobs öffentlich nachricht antwort \
    respuesta mensaje odpowied wiadom risposta messaggi resposta mensagem görünür";
/// Of these kinds one may be the staff's own where there are replies beside it.
pub(super) const COMMENT: &str = "comment yorum коммент kommentar comentario commentaire";
/// Columns of a message that say nothing of who may see it.
pub(super) const HARMLESS: &str = "read seen viewed edited updated modified pinned starred html delivered notified unread first sort order \
    position version count rating score size source channel lang language locale format content mime ip provider \
    platform device currency country priority attachment attachments okundu goruldu прочитан процитирован \
    prochitan gelesen leido lu lock has external uuid url hash agent_string useragent \
    przeczytan idioma jezyk język dil kanal canale";
/// States of a ticket, which are no matter of who may see it.
pub(super) const STATE: &str = "closed open resolved done solved answered handled urgent escalated erledigt geschlossen kapali kapalı \
    cozuldu çözüldü закрыт решен zakryt reshen important vip overdue locked";
/// A ticket's state, and how urgent it is.
pub(super) const STATUS: &str =
    "status state stan durum estado статус zustand sostoyanie prior oncelik öncelik";
/// When it was taken away.
pub(super) const GONE_AT: &str = "delet remov redact withdraw withdrawn retract erase hidden trash silin silme удал скрыт udal skryt gelösch geloesch supprim elimin apag borrad skasow usun";
/// When it was let out.
pub(super) const SHOWN_AT: &str = "publish approv yayin опубликован veröffentlicht";
/// When a message went out, was let through or handed in: without it a row may be a draft.
pub(super) const OUT_AT: &str = "sent send publish approv releas accept post deliver dispatch submit confirm yayin yayım gonder gönder onay ilet \
    отправ доставл одобр утвержд опублик otprav dostavl odobr utverzhd opublik gesend versand versend zugestell freigeg genehmig \
    veröffentlich veroeffentlich abgeschickt wyslan wysłan zatwierdz zaakcept envoy publi enviad aprobad inviat pubblicat aprovad надісл схвал";
/// What went out is the row's own notice, or it is about a part of it.
pub(super) const OF_NOTICE: &str = "notif remind receipt survey webhook push error fail retry attempt sync last bildirim hatirlat uvedoml уведомл erinner";
/// From when, or until when, the customer sees it: parts of a name.
pub(super) const FROM_AT_PART: &str =
    "publish from after until till ab bis live expires expire expiry baslangic başlangıç bitis bitiş с до по";
/// The same as beginnings.
pub(super) const FROM_AT: &str = "schedul embargo visib availab delay planned planla planlan ertele sichtbar geplant verzöger verzoeger \
    gorunur görünür заплан отлож видим zaplan otlozh vidim programad programm zaplanow";
/// Who let it through, as columns that lead to him are called.
pub(super) const LET_OUT_BY: &str = "approv publish releas moderat review accept onayla yayinla yayınla одобр утверд опублик odobr utverd opublik freigeg freigab \
    genehmig zatwierdz aprobad aprovad";
/// Another row stands in its place.
pub(super) const REPLACED: &str =
    "supersed replac obsolete correct duplicate yerine замен zamen ersetz ersatz remplac reemplaz zastap";
/// A table of which a row takes another row away from whoever saw it.
pub(super) const HIDES: &str = "delet remov redact withdraw withdrawn withheld withhold retract erase hidden hide trash revok recall suppress quarantin moderat embargo \
    restrict visib confiden gizle gizli sakla engel silin скры отозв удал skry otozv udal zurückgezog zurueckgezog gesperr verborg \
    zurückgehalt zurueckgehalt ukryt";
/// Columns that say who may see a row, and not who wrote it.
pub(super) const AUDIENCE: &str = "level visib audience access restrict scope privacy permission clearance confiden seviye duzey düzey erisim erişim gorunur görünür hedef \
    уровен уровень доступ видим uroven dostup vidim stufe ebene zugriff sichtbar freigabe zielgruppe poziom widoczn nivel niveau acceso livello";
/// A channel for the staff alone, in values.
pub(super) const ASIDE_VALUE: &str = "whisper aside backstage fisilti fısıltı flüster шепот";
/// To whom it went.
pub(super) const RECIPIENT: &str =
    "recipient alici alıcı получател poluchatel empfänger empfaenger destinatario destinataire odbiorca";
/// Other times of a message or ticket, which decide nothing.
pub(super) const OTHER_AT: &str = "read seen updat modif edit deliver sent closed resolv solved answer last first due create open start okun \
    guncel прочит обновл изменен aktualisiert geändert notif cree sync regist login verif end \
    zaktual przeczyt wysl cerrado actualiz leido zamkn prochit obnovl izmen gelesen beantwort";
/// Columns of a ticket that lead to the customer, the surest first.
pub(super) const CUSTOMER_ID: [&str; 4] = [
    "customer client requester musteri müşteri uye üye клиент klient kunde cliente заявител zayavitel member \
     reporter solicitante zglaszaj",
    "user contact account kullanici kullanıcı пользовател polzovatel benutzer usuario person uzytkownik hesap utente",
    "author creator created opened submitter автор avtor from sender",
    "owner",
];
/// Columns of a ticket that lead to an agent.
pub(super) const NOT_CUSTOMER: &str = "assign agent staff admin closed updated resolved operator deleted last responsible handler atanan temsilci \
    personel ответственн исполнител сотрудник otvetstven ispolnitel sotrudnik bearbeiter mitarbeiter approved \
    merged modified \
    konsultant pracownik empleado asignado tecnico atendente przypisan obslug sorumlu";
/// For whom a ticket was opened, beside whoever typed it in.
pub(super) const ON_BEHALF: &str = "behalf beneficiar concern affected subject_user patient student child resident tenant guest pupil insured holder for adina adına \
    ilgili hasta ogrenci öğrenci veli sakin лица пациент учен житель patsient uchen zhitel betroffen fuer für patienten schüler schueler mieter \
    bewohner paciente alumno dotyczy";
/// Persons of a ticket who only handled it.
pub(super) const HANDLED: &str = "locked reviewed escalated archived verified moderated triaged taken picked answered replied read seen viewed \
    cancelled canceled rejected accepted confirmed watcher follower edited sales technician dispatcher inspector expert doctor";
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
pub(super) const FILE_URL: &str = "url file_url link public_url download_url external_url baglanti bağlantı adres adresi ссылка ssylka enlace lien";
/// Where a file is, on the site's disk.
pub(super) const FILE_PATH: &str = "path file_path filepath storage_path store_fname key storage_key yol yolu dosya_yolu konum путь put put_k_failu pfad dateipfad ruta \
    chemin sciezka ścieżka caminho percorso";
/// A column of a table of files that is the file: where it is, under a name that says no more.
pub(super) const FILE_ITSELF: &str = "file attachment document dosya ek eki belge файл вложение fail fayl fajl vlozhenie datei anhang archivo adjunto fichier \
    plik zalacznik załącznik arquivo anexo allegato";
/// A file's name.
pub(super) const FILE_NAME: &str = "file_name filename name original_name original_filename client_name title dosya_adi dosya_ismi orijinal_adi orijinal_ad ad adi \
    isim имя_файла имя imya_fayla imya_faila imya dateiname nombre_archivo nombre nazwa_pliku nazwa nom_fichier nom nome_arquivo nome";
/// A file's type.
pub(super) const MIME: &str = "mime mime_type content_type mimetype file_type mime_turu dosya_turu тип_файла tip_fayla dateityp tipo_mime typ_mime";

/// Columns of a ticket that say of which kind it is, or whose: of rows of several kinds one may be for the support alone.
pub(super) const BOARD: &str = "type kind board mandant bayi filial kiraci forum forums foruns foro queue project module tracker tenant brand area space workspace department category section scope \
    purpose site shop store inbox mailbox tur tür tip turu türü kategori kuyruk bolum bölüm departman proje sube şube birim тип вид раздел очеред \
    отдел категори проект tip vid razdel razdely ocheredi otdel kategoriya proekt typ rodzaj dzial dział projekt kolejka kategoria tipo clase categoria \
    categoría departamento proyecto cola seccion sección sucursal art abteilung bereich kategorie warteschlange genre categorie rubrique \
    reparto progetto fila setor projeto";
/// Of these the support's own tickets are told apart by habit: they are asked about only where a word of another business is among them.
pub(super) const TOPIC: &str =
    "category kategori kategorie kategoria categoria категори kategoriya categorie rubrique topic тема tema";
/// In values: tickets of the support.
pub(super) const SUPPORT: &str = "support help helpdesk service ticket destek yardim yardım поддержк помощ podderzh pomosch wsparcie pomoc serwis soporte ayuda \
    atencion hilfe kundendienst assistenza suporte ajuda aide assistance";
/// In values: business that is not the support's.
pub(super) const OTHER_BUSINESS: &str = "sales lead hiring job jobs career careers recruit hr press vendor supplier partner procurement task todo epic story feature bug incident \
    internal order quote offer newsletter satis satış insan tedarik teklif proje gorev görev продаж вакан поставщ закуп задач prodazh vakans \
    postavsch zakup zadach sprzedaz sprzedaż rekrutac praca dostawc zadani ventas venta empleo proveedor tarea verkauf bewerb lieferant aufgabe \
    vendite lavoro fornitor vendas compras";
/// What a program wrote that may speak to customers, in values.
pub(super) const BOT: &str = "bot robot робот assistant autoresponder autoreply otomatik автоответ automatic";
/// A column that leads to a row of the same table: what it answers, or the first of its thread.
pub(super) const PARENT: &str = "parent root reply replied thread origin original previous ust üst ana rodzic nadrzedn nadrzędn glown watek padre raiz origen roditel \
    родител корн koren otvet_na ответ eltern vater ursprung uberg parente pai";
/// A column of people that says what they are.
pub(super) const ROLE: &str = "role group type kind level rank team rola rol rolu grup grupa gruppa gruppe grupo yetki tip tur rang роль группа уровень perfil perfiles rolle gruppo ruolo papel";
/// A person's name, as a part of a column's name.
pub(super) const NAME_PART: &str = "name fullname ad adi adı isim ismi adsoyad fio фио imya имя nombre nom imie imię nome naam navn namn nazwa";

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

/// The last part of a name, which says what it is: `helpdesk_users` are users, `user_types` are types.
pub(super) fn last(name: &str) -> String {
    parts(name).pop().unwrap_or_default()
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
