//! Texts arrive whole, and harmless.

use deskie_cdc_sandbox::simulator::{Action, Bodies, Says};

use crate::support::{AYSE, Stage, installations, stage, stage_on, texts};

const ODD: &str = "Ayşe'nin \"şifresi\" \\ O''Brien $1 :text {{x}} [case_id] ‹ı›İğ 👩‍💻 привет, мир & <script>alert('x')</script>\tsekme\r\nsatır";

/// About 200 kB in which no two lines are equal.
fn long_text() -> String {
    let mut text = String::new();
    let mut n = 0;
    while text.len() < 200_000 {
        n += 1;
        text += &format!("{n}. {ODD}\n");
        if n % 50 == 0 {
            text += "\n   \n";
        }
    }
    text
}

#[tokio::test]
async fn a_long_and_odd_text_arrives_whole_and_in_order() {
    for installation in installations() {
        // GIVEN a Deskie that shows messages as plain text
        let stage = stage_on(&installation)
            .deskie(|options| options.bodies = Bodies::Text)
            .build()
            .await;
        let _connector = stage.run().await;
        // WHEN a ticket and a message of 200 kB come, and a short one behind them
        let long = long_text();
        let ticket = stage.ticket(AYSE, ODD.lines().next().unwrap(), &long).await;
        stage.writes(ticket, &long).await;
        stage.writes(ticket, "the end").await;
        let case = stage.case_of(ticket).await;
        let whole = |books: &deskie_cdc_sandbox::simulator::Books| {
            books
                .case(case)
                .is_some_and(|case| texts(case).last() == Some(&"the end"))
        };
        stage.deskie("the last message", whole).await;
        stage.settled().await;
        // THEN the parts, put together, are the text twice, and none is larger than the limit
        let record = stage.case(case);
        let parts = texts(&record);
        assert_eq!(record.subject, ODD.lines().next().unwrap());
        assert!(parts.len() > 6, "{} parts", parts.len());
        assert!(parts.iter().all(|part| part.len() <= 60_000));
        assert!(
            parts[..parts.len() - 1].concat() == long.repeat(2),
            "the text is not the same"
        );
        // AND none of them came back
        assert_eq!(stage.rows(ticket).await.len(), 2);
    }
}

#[tokio::test]
async fn a_script_in_a_plain_text_is_shown_as_text() {
    for bodies in [Bodies::AsSent, Bodies::Html, Bodies::Text] {
        // GIVEN a Deskie that shows one form or the other, and stores HTML as it comes
        let stage = stage()
            .deskie(|options| (options.bodies, options.sanitise_html) = (bodies, false))
            .build()
            .await;
        let _connector = stage.run().await;
        // WHEN a customer writes about a script
        let ticket = stage
            .ticket(AYSE, "script", "a <script>alert(1)</script> b")
            .await;
        let case = stage.case_of(ticket).await;
        stage.writes(ticket, "c <img src=x onerror=alert(2)> d").await;
        stage.until_deskie(case, 2).await;
        stage.settled().await;
        // THEN no tag of his is a tag in Deskie, and none of our messages is taken for somebody else's
        let record = stage.case(case);
        for message in &record.messages {
            let html = message.html.to_lowercase();
            assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
        }
        assert_eq!(record.messages.len(), 2);
        assert_eq!(stage.rows(ticket).await.len(), 1);
    }
}

#[tokio::test]
async fn a_reply_comes_without_its_script_and_without_the_quoted_history() {
    // GIVEN a Deskie that stores HTML as it comes, and a site that keeps both forms
    let stage = stage()
        .deskie(|options| options.sanitise_html = false)
        .schema("alter table messages add body_html text")
        .config("body = \":text\"", "body = \":text\", body_html = \":html\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;

    // WHEN an agent's answer holds a script, and the customer's mail the history
    let html = "<p>Merhaba <b onclick=\"steal()\">Ayşe</b> & co</p><script>steal()</script>\
                <a href=\"javascript:steal()\">x</a><ul><li>bir<li>iki</ul><img src=x onerror='steal()'>";
    stage.simulator.agent_reply(case, Says::html(html)).unwrap();
    stage.until_site(ticket, 1).await;
    let mail = Action::CustomerMailReply {
        case,
        says: Says::html("<p>Teşekkürler «çok» 🙏</p>"),
        from: None,
        quote: true,
    };
    stage.simulator.act(mail).unwrap();
    stage.until_site(ticket, 2).await;
    // AND one is plain text, and one is text that looks like HTML
    stage
        .simulator
        .agent_reply(case, Says::text("1 < 2 && 'x'\n\nsatır"))
        .unwrap();
    stage.until_site(ticket, 3).await;

    // THEN the site has the words, in both forms, and nothing that runs
    let sql = "select body, body_html from messages where ticket_id = $1 order by id";
    let rows: Vec<(String, String)> = stage
        .query(sql, &[&ticket])
        .await
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    assert!(rows[0].0.starts_with("Merhaba Ayşe & co"), "{:?}", rows[0]);
    assert!(rows[0].0.contains("- bir\n- iki"), "{:?}", rows[0]);
    for (text, html) in &rows {
        assert!(
            !text.contains("steal") && !html.contains("steal"),
            "{text}\n{html}"
        );
    }
    assert!(rows[0].1.contains("<b>Ayşe</b>"), "{}", rows[0].1);
    assert_eq!(rows[1].0, "Teşekkürler «çok» 🙏");
    assert!(!rows[1].1.contains("support wrote"), "{}", rows[1].1);
    assert_eq!(rows[2].0, "1 < 2 && 'x'\n\nsatır");
    assert!(rows[2].1.contains("1 &lt; 2 &amp;&amp;"), "{}", rows[2].1);
}

/// A site whose messages are HTML, and a Deskie that stores HTML as it comes.
async fn html_site() -> Stage {
    stage()
        .deskie(|options| options.sanitise_html = false)
        .config(
            "author = \"author\"\nbody = \"body\"",
            "author = \"author\"\nbody = \"body\"\nformat = \"'html'\"",
        )
        .build()
        .await
}

#[tokio::test]
async fn html_of_the_site_stays_html_and_harmless() {
    // GIVEN a site whose messages are HTML, and a Deskie that stores HTML as it comes
    let stage = html_site().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN a message with markup and a script comes
    stage
        .writes(
            ticket,
            "<p>Bir <b>kalın</b> söz</p><script>steal()</script><p onclick='steal()'>iki</p>",
        )
        .await;
    let record = stage.until_deskie(case, 2).await;
    // THEN Deskie has the markup without the script
    assert_eq!(texts(&record)[1], "<p>Bir <b>kalın</b> söz</p><p>iki</p>");
    // AND it does not come back
    stage.settled().await;
    assert_eq!(stage.rows(ticket).await.len(), 1);
}

#[tokio::test]
async fn a_text_that_nobody_reads_to_its_end_is_cut_and_says_so() {
    // GIVEN a limit
    let stage = stage()
        .set("deskie", "max_body = \"10kB\"\nmax_text = \"25kB\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN the customer pastes a log
    stage.writes(ticket, &"satır ".repeat(50_000)).await;
    stage.writes(ticket, "sonra").await;
    // THEN its start comes, and a line that says so
    let record = stage.until_deskie(case, 5).await;
    let said = texts(&record);
    assert_eq!(said.len(), 5, "one opens, three for the text, one behind it");
    assert!(said[3].contains("kB of it are left out here"), "{}", said[3]);
    assert_eq!(said[4], "sonra");
}

#[tokio::test]
async fn html_that_is_too_much_goes_to_deskie_as_plain_text_and_is_told_once() {
    // GIVEN a site whose messages are HTML
    let stage = html_site().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN one comes that opens everything and closes nothing, and one of nothing but signs that are escaped
    let html: String = (0..600).map(|n| format!("<p><font a={n}>")).collect();
    stage.writes(ticket, &format!("{html}Merhaba<br>iki")).await;
    stage.writes(ticket, &"&".repeat(11_000)).await;
    stage.writes(ticket, "son").await;
    // THEN their words come, in order
    let record = stage.until_deskie(case, 4).await;
    assert_eq!(
        &texts(&record)[1..],
        ["Merhaba<br>iki", &"&amp;".repeat(11_000), "son"]
    );
    // AND what goes otherwise than it was written is told, once
    let told = |line: &&String| line.contains("does not go to Deskie as it stands");
    assert_eq!(connector.log().iter().filter(told).count(), 1);
    let trace = stage
        .workplace
        .command(&["trace", &ticket.to_string()])
        .await
        .ok();
    assert_eq!(
        trace.stdout.matches("not sent as written").count(),
        1,
        "{}",
        trace.stdout
    );
}

#[tokio::test]
async fn what_shows_nothing_is_neither_sent_nor_an_empty_row() {
    // GIVEN a site whose messages are HTML, and a Deskie that stores HTML as it comes
    let stage = html_site().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN messages come of which nothing would be seen, and one behind them
    for empty in [
        "<p>&nbsp;</p>",
        "<script>x()</script>",
        "<p>\u{200b}<br></p>",
        "<img src=\"https://t.example/1.gif\" width=1 height=1>",
        "<!-- x -->",
        "<div>&zwnj;&nbsp;&#847;&shy;</div><p>\u{2800}</p>",
    ] {
        stage.writes(ticket, empty).await;
    }
    stage.writes(ticket, "<img src=\"cid:ekran.png@1\">").await;
    stage.writes(ticket, "son").await;
    // THEN what can be seen is sent, in order: a picture that leads nowhere by its name
    let record = stage.until_deskie(case, 3).await;
    assert_eq!(&texts(&record)[1..], ["[ekran.png]", "son"]);
    // AND WHEN Deskie has such messages, THEN none becomes an empty row
    for html in [
        "<img src=\"/file/7/ekran.png\">",
        "<img src=\"cid:foto.jpg\">",
        "<img src=\"data:image/png;base64,AAAA\" alt=\"Ekran\">",
        "<p>&nbsp;</p>",
        "<p>&zwnj;&nbsp;&#847;</p><img src=\"https://t.example/1.gif\" width=1 height=1>",
        "<iframe src=\"https://v.example/1\"></iframe>",
    ] {
        stage.simulator.agent_reply(case, Says::html(html)).unwrap();
    }
    let rows = stage.until_site(ticket, 14).await;
    let bodies: Vec<&str> = rows.iter().skip(8).map(|row| row.body.as_str()).collect();
    let ours = format!("{}/file/7/ekran.png", stage.simulator.url());
    assert_eq!(
        bodies,
        [
            ours.as_str(),
            "[foto.jpg]",
            "[Ekran]",
            "—",
            "—",
            "https://v.example/1"
        ]
    );
}

/// A mail that quotes, as Gmail writes it: what an agent said, and before that what the customer said.
fn quoting(new: &str, agent: &str, customer: &str) -> Says {
    let head = |who: &str, day: u8| {
        format!(
            "<div class=\"gmail_attr\">{who} &lt;<a href=\"mailto:x@shop.example\">x@shop.example</a>&gt;, {day} May 2025 Pzt, 14:02 \
             tarihinde şunu yazdı:<br></div>"
        )
    };
    Says::html(format!(
        "<div>{new}</div><br><div class=\"gmail_quote\">{}<blockquote>{agent}{}<blockquote>{customer}</blockquote></blockquote></div>",
        head("Destek", 5),
        head("Ayşe", 4)
    ))
}

#[tokio::test]
async fn history_that_the_ticket_has_is_not_shown_again() {
    for installation in installations() {
        // GIVEN a ticket, and an answer in it
        let stage = stage_on(&installation).build().await;
        let _connector = stage.run().await;
        let ticket = stage.ticket(AYSE, "Kargo", "Kargom nerede?\nSipariş 15").await;
        let case = stage.case_of(ticket).await;
        let agent = "<p>Merhaba Ayşe,</p><p>adresiniz <b>hâlâ</b> aynı mı?</p>";
        stage.simulator.agent_reply(case, Says::html(agent)).unwrap();
        stage.until_site(ticket, 1).await;
        // WHEN the customer answers by mails that quote both, the first as they were, and the others with something of his own
        for (new, agent, customer) in [
            ("bir", agent, "Kargom nerede?<br>Sipariş 15"),
            (
                "iki",
                "<p>Merhaba Ayşe,</p><p>evet</p><p>adresiniz hâlâ aynı mı?</p>",
                "Kargom nerede?<br>Sipariş 15",
            ),
            ("üç", agent, "Kargom nerede?<br>Sipariş 16"),
        ] {
            let says = quoting(new, agent, customer);
            stage.simulator.customer_mail_reply(case, says).unwrap();
        }
        stage.until_site(ticket, 4).await;
        let bodies = stage.rows(ticket).await;
        // THEN of the first its own words are shown, and no word of his is missing
        assert_eq!(bodies[1], "bir");
        assert!(
            bodies[2].contains("evet") && bodies[2].contains("adresiniz"),
            "{}",
            bodies[2]
        );
        assert!(!bodies[2].contains("Sipariş 15"), "{}", bodies[2]);
        assert!(
            bodies[3].contains("Sipariş 16") && bodies[3].contains("adresiniz"),
            "{}",
            bodies[3]
        );
    }
}
