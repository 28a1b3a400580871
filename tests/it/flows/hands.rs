//! A ticket whose customer becomes another one, on the site or in Deskie: nothing goes either way until both are one person's.

use deskie_cdc_sandbox::simulator::{Action, CaseId, Says};

use crate::support::{AYSE, IVAN, Stage, stage, texts, wait_until};

/// The site gives a ticket to another customer.
async fn gives(stage: &Stage, ticket: i64, to: &str) {
    let sql = "update tickets set user_id = (select id from users where email = $1) where id = $2";
    let changed = stage.site.client.execute(sql, &[&to, &ticket]).await.unwrap();
    assert_eq!(changed, 1);
}

/// How many answers of agents the ticket has.
async fn answers(stage: &Stage, ticket: i64) -> i64 {
    let sql = format!("select count(*) from messages where author = 'agent' and ticket_id = {ticket}");
    stage.count(&sql).await
}

/// Looks again until the answer is there: a look that was on its way has put the next one off.
async fn until_answered(stage: &Stage, ticket: i64) {
    wait_until("the answer is there", || async {
        look_again(stage).await;
        (answers(stage, ticket).await == 1).then_some(())
    })
    .await;
}

async fn until_held(stage: &Stage, count: i64) {
    let held = "select count(*) from deskie_cdc.ticket where estranged is not null";
    wait_until("tickets are held", || async {
        (stage.count(held).await == count).then_some(())
    })
    .await;
}

/// Looks at the case again at once; without this it is done every ten minutes.
async fn look_again(stage: &Stage) {
    stage
        .sql("update deskie_cdc.ticket set read_not_before = null where read_wanted is not null")
        .await;
}

fn give(stage: &Stage, case: CaseId, to: &str) {
    let user_email = to.to_owned();
    stage
        .simulator
        .act(Action::GiveCase { case, user_email })
        .unwrap();
}

async fn until_texts(stage: &Stage, case: CaseId, wanted: &[&str]) {
    stage
        .deskie("the case's messages", |books| {
            books.case(case).is_some_and(|case| texts(case) == wanted)
        })
        .await;
}

#[tokio::test]
async fn a_ticket_that_the_site_gives_to_another_customer_is_held_until_its_case_is_his() {
    for open_on in ["message", "ticket"] {
        // GIVEN Ayse's ticket with a case
        let mut site = stage().set("deskie", "sweep = \"1s\"");
        if open_on == "message" {
            site = site.opens_by_message();
        }
        let stage = site.build().await;
        let _connector = stage.run().await;
        let ticket = stage.ticket(AYSE, "Soru", "first").await;
        if open_on == "message" {
            stage.writes(ticket, "first").await;
        }
        let case = stage.case_of(ticket).await;
        stage.settled().await;
        let before = texts(&stage.case(case)).join("\n");
        // WHEN she gets another address and the row is touched, THEN nothing is held
        stage
            .sql(&format!(
                "update users set email = 'new@example.org' where email = '{AYSE}'"
            ))
            .await;
        stage
            .sql(&format!(
                "update tickets set subject = subject || '!' where id = {ticket}"
            ))
            .await;
        stage.writes(ticket, "still of Ayse").await;
        stage.settled().await;
        until_held(&stage, 0).await;
        assert_eq!(
            texts(&stage.case(case)).join("\n"),
            format!("{before}\nstill of Ayse")
        );
        // WHEN the site gives the ticket to Ivan, who writes, and an agent answers in her case
        gives(&stage, ticket, IVAN).await;
        stage.writes(ticket, "private of Ivan").await;
        until_held(&stage, 1).await;
        stage.simulator.agent_reply(case, Says::text("for Ayse")).unwrap();
        look_again(&stage).await;
        let behind = stage.ticket(IVAN, "Behind", "behind").await;
        stage.writes(behind, "behind").await;
        stage.case_of(behind).await;
        // THEN neither crosses, and it is told
        let status = wait_until("it is told", || async {
            let status = stage.workplace.command(&["status"]).await.stdout;
            status.contains("to another customer").then_some(status)
        })
        .await;
        assert!(status.contains(&format!("ticket {ticket}")), "{status}");
        assert!(!texts(&stage.case(case)).contains(&"private of Ivan"));
        assert_eq!(answers(&stage, ticket).await, 0);
        // WHEN an agent gives the case to Ivan
        give(&stage, case, IVAN);
        // THEN both go on, and he speaks as himself
        until_answered(&stage, ticket).await;
        until_texts(
            &stage,
            case,
            &[before.as_str(), "still of Ayse", "for Ayse", "private of Ivan"],
        )
        .await;
        until_held(&stage, 0).await;
        let last = stage.case(case).messages.last().unwrap().user_id;
        assert_ne!(last, stage.case(case).messages[0].user_id);
        // WHEN the site gives it back, and the two profiles are one person's
        gives(&stage, ticket, "new@example.org").await;
        stage.writes(ticket, "and back").await;
        until_held(&stage, 1).await;
        let link = Action::LinkUsers {
            user_email: "new@example.org".to_owned(),
            with: IVAN.to_owned(),
        };
        stage.simulator.act(link).unwrap();
        // THEN it goes on
        wait_until("the last message", || async {
            look_again(&stage).await;
            texts(&stage.case(case)).contains(&"and back").then_some(())
        })
        .await;
        until_held(&stage, 0).await;
    }
}

#[tokio::test]
async fn a_ticket_that_the_site_takes_back_goes_on() {
    // GIVEN a ticket that was given to another customer, and a message that waits
    let stage = stage().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    gives(&stage, ticket, IVAN).await;
    until_held(&stage, 1).await;
    stage.writes(ticket, "waits").await;
    // WHEN the site gives it back, THEN it goes on
    gives(&stage, ticket, AYSE).await;
    until_texts(&stage, case, &["Soru: body", "waits"]).await;
    until_held(&stage, 0).await;
}

#[tokio::test]
async fn a_case_that_deskie_gives_to_another_customer_is_held_and_a_linked_profile_is_followed() {
    // GIVEN a ticket with a case
    let stage = stage().set("deskie", "sweep = \"1s\"").build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN an agent gives the case to a stranger, answers him, and the customer writes on the site
    give(&stage, case, "stranger@example.org");
    stage
        .simulator
        .agent_reply(case, Says::text("for the stranger"))
        .unwrap();
    until_held(&stage, 1).await;
    stage.writes(ticket, "of Ayse").await;
    // What comes behind it is there.
    stage.case_of(stage.ticket(IVAN, "Behind", "behind").await).await;
    // THEN neither crosses, and it is told
    assert_eq!(answers(&stage, ticket).await, 0);
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "for the stranger"]);
    let status = stage.workplace.command(&["status"]).await.stdout;
    assert!(status.contains("given to another customer in Deskie"), "{status}");
    // WHEN it turns out that he is the same person
    let link = Action::LinkUsers {
        user_email: AYSE.to_owned(),
        with: "stranger@example.org".to_owned(),
    };
    stage.simulator.act(link).unwrap();
    // THEN all goes on, said by the profile that the case has
    until_answered(&stage, ticket).await;
    until_texts(&stage, case, &["Soru: body", "for the stranger", "of Ayse"]).await;
    let messages = stage.case(case).messages;
    assert_ne!(messages[0].user_id, messages[2].user_id);
    // AND what he says by mail is the customer's
    stage
        .simulator
        .act(Action::CustomerMailReply {
            case,
            says: Says::text("by mail"),
            from: None,
            quote: false,
        })
        .unwrap();
    wait_until("the mail is there", || async {
        stage
            .rows(ticket)
            .await
            .iter()
            .any(|row| row.contains("by mail"))
            .then_some(())
    })
    .await;
    until_held(&stage, 0).await;
}

#[tokio::test]
async fn nothing_that_waited_is_written_to_a_ticket_that_was_given_away_meanwhile() {
    // GIVEN an answer and a closing for Ayse that wait since writing is paused
    let status = "[status]\nsql = [\"update tickets set status = :status where id = :ticket\"]\nmap = { closed = \"closed\" }\n\n[postgres]\n";
    let stage = stage()
        .config("[postgres]\n", status)
        .set("deskie", "sweep = \"1s\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    stage.workplace.command(&["pause", "to_site"]).await.ok();
    stage
        .simulator
        .agent_reply(case, Says::text("secret of Ayse"))
        .unwrap();
    stage.simulator.set_status(case, "closed").unwrap();
    for waits in [
        "select count(*) from deskie_cdc.remote where state = 'pending'",
        "select count(*) from deskie_cdc.status_write where state = 'pending'",
    ] {
        wait_until("it waits", || async {
            (stage.count(waits).await == 1).then_some(())
        })
        .await;
    }
    // WHEN the site gives the ticket to Ivan, and writing is resumed
    gives(&stage, ticket, IVAN).await;
    until_held(&stage, 1).await;
    stage.workplace.command(&["resume", "to_site"]).await.ok();
    // THEN what comes for another ticket is written, and nothing for this one
    let (other, other_case) = stage.open("Other").await;
    stage
        .simulator
        .agent_reply(other_case, Says::text("for Other"))
        .unwrap();
    stage.until_site(other, 1).await;
    assert_eq!(answers(&stage, ticket).await, 0);
    let closed = format!("select count(*) from tickets where status = 'closed' and id = {ticket}");
    assert_eq!(stage.count(&closed).await, 0);
    // AND once it is given back both are
    gives(&stage, ticket, AYSE).await;
    until_answered(&stage, ticket).await;
    wait_until("it is closed", || async {
        (stage.count(&closed).await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_hold_outlives_a_merge_and_ends_with_the_ticket() {
    // GIVEN a ticket that the site has given to Ivan, who has written in it
    let stage = stage().set("deskie", "sweep = \"1s\"").build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    gives(&stage, ticket, IVAN).await;
    until_held(&stage, 1).await;
    stage.writes(ticket, "private of Ivan").await;
    // WHEN its case is merged into another one of its former customer
    let mail = Action::CreateCaseByMail {
        user_email: AYSE.to_owned(),
        user_full_name: "Ayse".to_owned(),
        subject: "Mail".to_owned(),
        says: Says::text("by mail"),
    };
    let into = stage.simulator.act(mail).unwrap().case_id.unwrap();
    stage.simulator.merge(case, into).unwrap();
    connector.wait_for_log("a merge in Deskie").await;
    // THEN it is held as before
    let behind = stage.ticket(IVAN, "Behind", "behind").await;
    stage.case_of(behind).await;
    until_held(&stage, 1).await;
    assert!(!texts(&stage.case(into)).contains(&"private of Ivan"));
    // AND a ticket that is deleted needs nobody
    stage
        .sql(&format!("delete from messages where ticket_id = {ticket}"))
        .await;
    stage
        .sql(&format!("delete from tickets where id = {ticket}"))
        .await;
    wait_until("nothing is told", || async {
        let told = stage.workplace.command(&["status"]).await.stdout;
        (!told.contains("to another customer")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_goes_into_a_merged_case_waits_while_that_is_held() {
    // GIVEN two tickets of one customer, the case of the one merged into the other's
    let stage = stage().set("deskie", "sweep = \"1s\"").build().await;
    let connector = stage.run().await;
    let (first, first_case) = stage.open("First").await;
    let (second, second_case) = stage.open("Second").await;
    stage.settled().await;
    stage.past_our_calls().await;
    stage.simulator.merge(first_case, second_case).unwrap();
    connector.wait_for_log("a merge in Deskie").await;
    // WHEN that one is given to a stranger in Deskie
    give(&stage, second_case, "stranger@example.org");
    until_held(&stage, 1).await;
    stage.writes(first, "private of Ayse").await;
    stage.writes(second, "private too").await;
    stage.case_of(stage.ticket(IVAN, "Behind", "behind").await).await;
    // THEN nothing of either goes there
    assert!(
        !texts(&stage.case(second_case))
            .iter()
            .any(|text| text.starts_with("private"))
    );
    // AND both go on once it is given back
    give(&stage, second_case, AYSE);
    wait_until("both are there", || async {
        look_again(&stage).await;
        let case = stage.case(second_case);
        let said = texts(&case);
        ["private of Ayse", "private too"]
            .iter()
            .all(|text| said.contains(text))
            .then_some(())
    })
    .await;
}
