use super::super::sanitise::{Relative, sanitise};
use super::super::{fingerprints, outgoing, read};
use super::*;
use crate::model::BodyFormat;
use proptest::prelude::*;

fn known(texts: &[&str]) -> Known {
    texts
        .iter()
        .flat_map(|text| match text.starts_with('<') {
            true => fingerprints("", text),
            false => fingerprints(text, &outgoing(text, BodyFormat::Text).html),
        })
        .collect()
}

fn html(html: &str, had: &[&str]) -> String {
    read("", html, None, &known(had)).0.text
}

fn text(text: &str, had: &[&str]) -> String {
    read(text, "", None, &known(had)).0.text
}

const AGENT: &str = "<p>Merhaba Ayşe,</p><p>adresiniz <b>hâlâ</b> aynı mı?</p>";
const CUSTOMER: &str = "Kargom nerede?\nSipariş 15";

/// A reply as mail programs write it; what they quote is [`AGENT`].
const REPLIES: [&str; 24] = [
    // Gmail
    "<div dir=\"ltr\">Yeni</div><br><div class=\"gmail_quote\"><div dir=\"ltr\" class=\"gmail_attr\">Destek &lt;<a href=\"mailto:destek@shop.example\">destek@shop.example</a>&gt;, 5 May 2025 Pzt, 14:02 tarihinde şunu yazdı:<br></div><blockquote class=\"gmail_quote\" style=\"margin:0\">{}</blockquote></div>",
    "<div dir=\"ltr\">Yeni</div><br><div class=\"gmail_quote\"><div class=\"gmail_attr\">пн, 5 мая 2025 г. в 14:02, Поддержка &lt;<a href=\"mailto:help@shop.example\">help@shop.example</a>&gt;:<br></div><blockquote>{}</blockquote></div>",
    "<div>Yeni</div><div><div>On Mon, May 5, 2025 at 2:02 PM Support &lt;help@shop.example&gt; wrote:</div><blockquote>{}</blockquote></div>",
    // Apple Mail, its own head within the quotation; older ones before it
    "<html><body>Yeni<br id=\"lineBreakAtBeginningOfMessage\"><div><br><blockquote type=\"cite\"><div>Destek &lt;destek@shop.example&gt; şunları yazdı (5 May 2025 14:02):</div><br class=\"Apple-interchange-newline\"><div>{}</div></blockquote></div></body></html>",
    "<div>Yeni</div><div>5 мая 2025 г., в 14:02, Поддержка &lt;help@shop.example&gt; написал(а):<blockquote type=\"cite\">{}</blockquote></div>",
    // Yandex, Mail.ru
    "<div>Yeni</div><div>&nbsp;</div><div>05.05.2025, 14:02, \"Поддержка\" &lt;help@shop.example&gt;:</div><blockquote><p>{}</p></blockquote>",
    "<HTML><BODY><p>Yeni</p><blockquote style=\"border-left:1px solid #0857A6\">Понедельник, 5 мая 2025, 14:02 +03:00 от Поддержка &lt;help@shop.example&gt;:<br><div>{}</div></blockquote></BODY></HTML>",
    // Thunderbird, above and below
    "<p>Yeni</p><div class=\"moz-cite-prefix\">5.05.2025 14:02 tarihinde Destek yazdı:<br></div><blockquote type=\"cite\" cite=\"mid:abc@shop.example\">{}</blockquote>",
    "<div class=\"moz-cite-prefix\">05.05.2025 14:02, Поддержка пишет:<br></div><blockquote type=\"cite\" cite=\"mid:abc@shop.example\">{}</blockquote><p>Yeni</p>",
    // Outlook: the desktop's, the web's, the old plain one
    "<div class=\"WordSection1\"><p class=\"MsoNormal\">Yeni<o:p></o:p></p><div><div style=\"border:none;border-top:solid #E1E1E1 1.0pt\"><p class=\"MsoNormal\"><b>Kimden:</b> Destek &lt;destek@shop.example&gt; <br><b>Gönderildi:</b> 5 Mayıs 2025 Pazartesi 14:02<br><b>Kime:</b> Ayşe Yılmaz<br><b>Konu:</b> Ynt: Kargom nerede?<o:p></o:p></p></div></div><p class=\"MsoNormal\"><o:p>&nbsp;</o:p></p>{}</div>",
    "<div>Yeni</div><div id=\"appendonsend\"></div><hr style=\"display:inline-block;width:98%\"><div id=\"divRplyFwdMsg\" dir=\"ltr\"><font face=\"Calibri\"><b>От:</b> Поддержка &lt;help@shop.example&gt;<br><b>Отправлено:</b> 5 мая 2025 г. 14:02<br><b>Кому:</b> Иван<br><b>Тема:</b> Re: Заказ</font><div>&nbsp;</div></div><div>{}</div>",
    "<p>Yeni</p><p>-----Original Message-----<br>From: Support [mailto:help@shop.example]<br>Sent: Monday, May 5, 2025 2:02 PM<br>To: Kate<br>Subject: RE: Order</p>{}",
    // Other languages, and other versions of these programs: short dates of Thunderbird, Apple Mail, Gmail, Outlook in German,
    // the one for telephones, Yandex and Mail.ru
    "<p>Yeni</p><div class=\"moz-cite-prefix\">Am 05.05.25 um 14:02 schrieb Support:<br></div><blockquote type=\"cite\" cite=\"mid:abc@shop.example\">{}</blockquote>",
    "<p>Yeni</p><div class=\"moz-cite-prefix\">On 5/5/25 2:02 PM, Support wrote:</div><blockquote type=\"cite\" cite=\"mid:abc@shop.example\">{}</blockquote>",
    "<html><body>Yeni<br><div><blockquote type=\"cite\"><div>Am 05.05.2025 um 14:02 schrieb Support &lt;help@shop.example&gt;:</div><br><div>{}</div></blockquote></div></body></html>",
    "<div dir=\"auto\">Yeni</div><div><div>Le lun. 5 mai 2025 à 14:02, Support &lt;<a href=\"mailto:help@shop.example\">help@shop.example</a>&gt; a écrit&nbsp;:<br></div><blockquote>{}</blockquote></div>",
    "<div>Yeni</div><div><div>2025年5月5日(月) 14:02 Support &lt;help@shop.example&gt;：</div><blockquote>{}</blockquote></div>",
    "<div>Yeni</div><hr><p><b>Von:</b> Support &lt;help@shop.example&gt;<br><b>Gesendet:</b> Montag, 5. Mai 2025 14:02<br><b>An:</b> Ayşe<br><b>Cc:</b> Ali &lt;ali@customer.example&gt;<br><b>Betreff:</b> AW: Bestellung: wo?</p>{}",
    "<div>Yeni</div><div>________________________________</div><div><strong>From:</strong> Support &lt;help@shop.example&gt;<br><strong>Date:</strong> Monday, 5 May 2025 at 14:02<br><strong>To:</strong> Ayşe<br><strong>Subject:</strong> Re: Order<br></div><div>{}</div>",
    "<div>Yeni</div><div>05.05.2025, 14:02, «Поддержка» &lt;help@shop.example&gt;:</div><blockquote><div>{}</div></blockquote>",
    "<div>Yeni</div><div>Понедельник, 5 мая 2025, 14:02 +03:00 от Поддержка &lt;<a href=\"mailto:help@shop.example\">help@shop.example</a>&gt;:</div><blockquote>{}</blockquote>",
    "<div>Yeni</div><div>5 May 2025 14:02 tarihinde, Destek &lt;destek@shop.example&gt; şöyle yazdı:</div><blockquote>{}</blockquote>",
    "<div>Yeni</div><blockquote><div>On May 5, 2025, at 2:02 PM, Support &lt;help@shop.example&gt; wrote:</div><div>{}</div></blockquote>",
    // A plain mail that became HTML
    "<pre>Yeni\n\nOn Mon, May 5, 2025 at 2:02 PM Support &lt;help@shop.example&gt;\nwrote:\n\n&gt; Merhaba Ayşe,\n&gt;\n&gt; adresiniz hâlâ\n&gt; aynı mı?\n</pre>",
];

#[test]
fn what_the_ticket_has_is_not_shown_again_whatever_program_quotes_it() {
    for reply in REPLIES {
        let mail = reply.replace("{}", AGENT);
        let (short, _) = read("", &mail, None, &known(&["another", AGENT]));
        assert_eq!(short.text.replace("---", "").trim(), "Yeni", "{mail}");
        for left in ["blockquote", "2025", "adresiniz", "shop.example"] {
            assert!(!short.html.contains(left), "{left}: {}", short.html);
        }
    }
}

#[test]
fn a_quotation_of_anything_else_is_kept_as_it_is() {
    for reply in REPLIES {
        let mail = reply.replace("{}", AGENT);
        let whole = read("", &mail, None, &Known::default()).0;
        // The ticket has another text, or nothing at all.
        assert_eq!(read("", &mail, None, &known(&["another"])).0, whole);
        // An answer stands between its lines, or something was cut off.
        for other in [
            "<p>Merhaba Ayşe,</p><p>adresiniz hâlâ aynı mı?</p><p><img src=\"https://x.example/new.png\"></p>",
            "<p>Merhaba Ayşe,<img src=\"cid:new\"></p><p>adresiniz hâlâ aynı mı?</p>",
            "<p>Merhaba Ayşe,</p><p>evet</p><p>adresiniz hâlâ aynı mı?</p>",
            "<p>Merhaba Ayşe,</p>",
        ] {
            let mail = reply.replace("{}", other).replace("&gt; aynı mı?", "evet");
            let whole = read("", &mail, None, &Known::default()).0;
            assert_eq!(read("", &mail, None, &known(&[AGENT])).0, whole, "{mail}");
        }
    }
}

#[test]
fn no_quotation_without_a_head_that_a_program_wrote_is_cut() {
    for mail in [
        "<p>Bunu yazmıştınız:</p><blockquote>{}</blockquote><p>Ne demek?</p>",
        "<p>5 Mayıs 2025 14:02'de bunu yazmıştınız:</p><blockquote>{}</blockquote><p>Ne demek?</p>",
        "<p>5 Mayıs 2025 14:02'de destek@shop.example bunu yazdı:</p><blockquote>{}</blockquote><p>Ne demek?</p>",
        "<p>Yeni</p><p>Sipariş: 15</p><p>Tarih: 5.5.2025 14:02</p><p>Şehir: Ankara</p>{}",
        "<blockquote>{}</blockquote>",
        "{}",
    ] {
        let mail = mail.replace("{}", AGENT);
        let whole = read("", &mail, None, &Known::default()).0;
        assert_eq!(read("", &mail, None, &known(&[AGENT])).0, whole, "{mail}");
    }
}

#[test]
fn history_in_history_is_known_message_by_message() {
    let mail = "<div>Yeni</div><div>пн, 5 мая 2025 г. в 14:02, Поддержка &lt;help@shop.example&gt;:<br></div><blockquote>\
        <p>Merhaba Ayşe,</p><p>adresiniz hâlâ aynı mı?</p><div>On 4 May 2025 at 10:00, Ayşe &lt;ayse@customer.example&gt; wrote:</div>\
        <blockquote>Kargom nerede?<br>Sipariş 15</blockquote></blockquote><div>-- <br>Ayşe</div>";
    assert_eq!(html(mail, &[AGENT, CUSTOMER]), "Yeni\n--\nAyşe");
    // Of which only the inner one is known: it alone goes.
    let shown = html(mail, &[CUSTOMER]);
    assert!(
        shown.contains("adresiniz") && !shown.contains("Kargom"),
        "{shown}"
    );
    // Of which only the outer one is known: nothing of it goes.
    let shown = html(mail, &[AGENT]);
    assert!(shown.contains("adresiniz") && shown.contains("Kargom"), "{shown}");
}

#[test]
fn a_plain_mail_is_read_by_its_marks() {
    let mail = "Yeni\r\n\r\nOn 5/5/2025 14:02, Destek <destek@shop.example> wrote:\r\n> Merhaba Ayşe,\r\n>\r\n> adresiniz hâlâ aynı mı?\r\n>\r\n> On 4 May 2025 at 10:00, Ayşe\r\n> <ayse@customer.example> wrote:\r\n>> Kargom nerede?\r\n>> Sipariş 15\r\n\r\n-- \r\nAyşe";
    assert_eq!(text(mail, &[AGENT, CUSTOMER]), "Yeni\n\n\n\n-- \nAyşe");
    assert_eq!(text(mail, &[]), mail.replace("\r\n", "\n"));
    let outlook = "Yeni\n\n________________________________\nKimden: Destek <destek@shop.example>\nGönderildi: 5 Mayıs 2025 Pazartesi 14:02\nKime: Ayşe\nKonu: Ynt: Kargom\n\nMerhaba Ayşe,\n\nadresiniz hâlâ aynı mı?\n";
    assert_eq!(text(outlook, &[AGENT]), "Yeni");
}

#[test]
fn a_mail_of_nothing_but_history_is_shown() {
    let mail = REPLIES[0].replace("{}", AGENT).replace("Yeni", " ");
    assert!(html(&mail, &[AGENT]).contains("adresiniz"));
}

#[test]
fn of_heads_without_end_a_few_are_compared() {
    let block = "<p>From: &lt;a@b.example&gt;</p><p>Sent: 5 May 2025 14:02</p><p>To: x</p>";
    let line = "<div>On 5 May 2025 at 14:02, &lt;a@b.example&gt; wrote:</div><blockquote>x";
    for html in [block.repeat(500), line.repeat(60)] {
        let lines = lines_of_html(&sanitise(&html, Relative::Drop));
        let known = known(&[AGENT]);
        let mut history = History {
            lines: &lines,
            known: &known,
            judged: HashMap::new(),
        };
        let all = 0..lines.len();
        for at in all.clone() {
            if let Some(quoted) = history.quotation(at, all.clone()) {
                assert!(!history.is_known(quoted));
            }
        }
        assert_eq!(history.judged.len(), JUDGED);
    }
}

proptest! {
    /// Nothing but what is known goes: whatever is quoted, and how.
    #[test]
    fn no_new_word_is_ever_cut(
        quoted in prop::collection::vec("[a-zşЖ]{1,6}( [a-z]{1,5})?", 1..5),
        new in prop::collection::vec("[a-z]{1,6}", 1..4),
        place in 0usize..6,
        program in 0usize..23,
    ) {
        let had: String = quoted.iter().map(|line| format!("<p>{line}</p>")).collect();
        let mut lines: Vec<String> = quoted.clone();
        let is_new = place < lines.len();
        if is_new {
            lines.insert(place, format!("w{}w", new.join("w")));
        }
        let mail = REPLIES[program].replace("{}", &lines.iter().map(|line| format!("<p>{line}</p>")).collect::<String>());
        let shown = html(&mail, &[&had]);
        prop_assert!(shown.contains("Yeni"));
        if is_new {
            prop_assert!(lines.iter().all(|line| shown.contains(line)), "{}", shown);
        }
    }

    #[test]
    fn nothing_makes_it_panic(html in "(<|>|/|blockquote|pre|div|br|p|[a-zş ]|&gt;|@|:|2025 1 2 3|\\n){0,80}") {
        read("", &html, None, &known(&[AGENT]));
        read(&html, "", None, &known(&[AGENT]));
        for cut in [3..9, 0..html.len(), 5..5] {
            without(&html, &[cut]);
        }
    }
}
