//! Messages whose numbers are not in the order in which they appear: each comes, once.

use std::time::Duration;

use deskie_cdc_sandbox::simulator::{Action, Says};

use crate::support::{AYSE, stage, texts};

#[tokio::test]
async fn a_reply_with_a_smaller_number_than_one_that_is_known() {
    // GIVEN a case with an answer that is on the site already
    let stage = stage().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.simulator.agent_reply(case, Says::text("önce")).unwrap();
    stage.until_site(ticket, 1).await;
    // WHEN two messages turn up with numbers smaller than all of the case, one of them dated before the case
    stage
        .simulator
        .late_message(case, Says::text("geç kalan"), 3600)
        .unwrap();
    stage.until_site(ticket, 2).await;
    let late = Action::LateMessage {
        case,
        says: Says::text("müşteriden"),
        by_customer: true,
        seconds_ago: 0,
    };
    stage.simulator.act(late).unwrap();
    stage.until_site(ticket, 3).await;
    stage.simulator.agent_reply(case, Says::text("sonra")).unwrap();
    stage.until_site(ticket, 4).await;
    stage.settled().await;
    // THEN each came once, in the order in which it appeared
    assert_eq!(
        stage.rows(ticket).await,
        ["önce", "geç kalan", "müşteriden", "sonra"]
    );
    let authors: Vec<String> = stage.shown(ticket).await.into_iter().map(|m| m.author).collect();
    assert_eq!(authors, ["agent", "agent", "customer", "agent"]);
}

#[tokio::test]
async fn a_scheduled_answer_that_appears_after_later_ones() {
    // GIVEN an answer that took its number before others and appears after them
    let stage = stage().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let after = Duration::from_millis(1500);
    stage
        .simulator
        .scheduled_message(case, Says::text("planlı"), after)
        .unwrap();
    // WHEN an agent answers and the customer writes on the site before it appears
    stage.simulator.agent_reply(case, Says::text("hemen")).unwrap();
    stage.until_site(ticket, 1).await;
    stage.writes(ticket, "sağ olun").await;
    stage.until_deskie(case, 3).await;
    assert_eq!(
        stage.rows(ticket).await,
        ["hemen", "sağ olun"],
        "it has not appeared yet"
    );
    // THEN it comes when it appears, once
    stage.until_site(ticket, 3).await;
    stage.settled().await;
    assert_eq!(stage.rows(ticket).await, ["hemen", "sağ olun", "planlı"]);
}

#[tokio::test]
async fn answers_on_both_sides_at_once() {
    // GIVEN a case
    let stage = stage().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN an agent's answer is followed at once by the customer's message on the site, so that the webhook, if it
    // comes after our call, names our own later message as the last
    for n in 1..=5 {
        stage
            .simulator
            .agent_reply(case, Says::text(format!("agent {n}")))
            .unwrap();
        stage.writes(ticket, &format!("customer {n}")).await;
        stage
            .simulator
            .customer_mail_reply(case, Says::text(format!("mail {n}")))
            .unwrap();
    }
    stage.until_site(ticket, 15).await;
    stage.until_deskie(case, 16).await;
    stage.settled().await;
    // THEN all stand once on both sides, each author's in his order
    let rows = stage.rows(ticket).await;
    let record = stage.case(case);
    let in_deskie = texts(&record);
    assert_eq!((rows.len(), in_deskie.len()), (15, 16));
    for who in ["agent", "mail", "customer"] {
        let wanted: Vec<String> = (1..=5).map(|n| format!("{who} {n}")).collect();
        let of = |text: &&&str| text.starts_with(who);
        let on_site: Vec<&str> = rows.iter().map(String::as_str).collect();
        assert_eq!(
            on_site.iter().filter(of).collect::<Vec<_>>(),
            wanted.iter().collect::<Vec<_>>()
        );
        assert_eq!(
            in_deskie.iter().filter(of).collect::<Vec<_>>(),
            wanted.iter().collect::<Vec<_>>()
        );
    }
    // AND the site has Deskie's own in Deskie's order
    let deskies = |texts: &[&str]| -> Vec<String> {
        texts
            .iter()
            .filter(|text| !text.starts_with("customer"))
            .map(|text| (*text).to_owned())
            .collect()
    };
    let on_site: Vec<&str> = rows.iter().map(String::as_str).collect();
    assert_eq!(deskies(&on_site), deskies(&in_deskie[1..]));
}

#[tokio::test]
async fn more_messages_at_once_than_a_page_holds() {
    // GIVEN a case whose webhooks do not come
    let stage = stage()
        .without_rules()
        .set("deskie", "sweep = \"1h\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN 230 answers came before the next webhook
    let wanted: Vec<String> = (1..=230).map(|n| format!("answer {n}")).collect();
    for text in &wanted {
        stage.simulator.agent_reply(case, Says::text(text)).unwrap();
    }
    let body = format!("{{\"case_id\": {case}}}");
    let answer = reqwest::Client::new()
        .post(stage.workplace.webhook_url())
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    // THEN all of them come, in order
    stage.until_site(ticket, 230).await;
    stage.settled().await;
    assert_eq!(stage.rows(ticket).await, wanted);

    // AND WHEN one turns up that stands before all of them, where a merge has put it
    let reads = || stage.simulator.books().calls_to("GET", "/messages.json").len();
    let before = reads();
    stage
        .simulator
        .late_message(case, Says::text("merged in"), 3600)
        .unwrap();
    let poke = async || {
        let answer = reqwest::Client::new()
            .post(stage.workplace.webhook_url())
            .body(format!("{{\"case_id\": {case}}}"))
            .send()
            .await;
        assert_eq!(answer.unwrap().status().as_u16(), 200);
    };
    poke().await;
    // THEN it comes as well
    stage.until_site(ticket, 231).await;
    assert_eq!(reads() - before, 3);
    // AND a webhook that brings nothing new costs one page
    stage.settled().await;
    let before = reads();
    poke().await;
    stage
        .deskie("a read", |books| {
            books.calls_to("GET", "/messages.json").len() > before
        })
        .await;
    stage.settled().await;
    assert_eq!(reads() - before, 1);
}

#[tokio::test]
async fn a_message_that_opens_a_case_stays_before_what_follows() {
    // GIVEN a connector that is not there yet
    let stage = stage().build().await;
    // WHEN customers have opened twenty tickets and written three messages on each
    let mut tickets = Vec::new();
    for n in 0..20 {
        tickets.push(stage.ticket(AYSE, &format!("ticket {n}"), "zero").await);
    }
    for text in ["one", "two", "three"] {
        for ticket in &tickets {
            stage.writes(*ticket, text).await;
        }
    }
    // AND it starts then
    let _connector = stage.run().await;
    stage.settled().await;
    // THEN each case has them in order
    for ticket in tickets {
        let books = stage.simulator.books();
        let cases = books.cases_with_field(25, &ticket.to_string());
        assert_eq!(cases.len(), 1);
        assert_eq!(texts(cases[0]), ["zero", "one", "two", "three"]);
    }
}
