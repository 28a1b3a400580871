//! What agents do to whole cases: merge them, throw them away, close them.

use deskie_cdc_sandbox::simulator::{Absorbed, Action, Books, Rule, RuleBody, Says};

use crate::support::{IVAN, stage, texts, wait_until};

/// A case that has nothing to do with the site.
fn foreign_case(
    stage: &crate::support::Stage,
    email: &str,
    text: &str,
) -> deskie_cdc_sandbox::simulator::CaseId {
    let made = stage.simulator.act(Action::CreateCaseByMail {
        user_email: email.into(),
        user_full_name: String::new(),
        subject: "by mail".into(),
        says: Says::text(text),
    });
    made.unwrap().case_id.unwrap()
}

#[tokio::test]
async fn a_ticket_goes_on_in_the_case_that_absorbed_its_own() {
    for absorbed in [Absorbed::NotFound, Absorbed::Redirect, Absorbed::Accept] {
        // GIVEN a ticket with a case, and a case of somebody else's
        let stage = stage()
            .set("deskie", "sweep = \"1s\"")
            .deskie(|options| options.absorbed = absorbed)
            .build()
            .await;
        let connector = stage.run().await;
        let (ticket, case) = stage.open("Soru").await;
        stage.simulator.agent_reply(case, Says::text("önce")).unwrap();
        stage.until_site(ticket, 1).await;
        let parent = foreign_case(&stage, IVAN, "Ivan's own");
        stage.settled().await;
        stage.past_our_calls().await;
        // WHEN an agent merges the ticket's case into it, and answers there
        stage.simulator.merge(case, parent).unwrap();
        connector.wait_for_log("a merge in Deskie").await;
        stage.simulator.agent_reply(parent, Says::text("sonra")).unwrap();
        stage.until_site(ticket, 2).await;
        // AND the customer writes again on the site
        stage.writes(ticket, "bir").await;
        let there = |books: &Books| texts(books.case(parent).unwrap()).contains(&"bir");
        stage.deskie("the message in the parent", there).await;
        stage.settled().await;
        // THEN the conversation goes on in the parent, once, without what was the other customer's
        assert_eq!(stage.rows(ticket).await, ["önce", "sonra", "bir"], "{absorbed:?}");
        let record = stage.case(parent);
        assert_eq!(texts(&record).iter().filter(|text| **text == "bir").count(), 1);
        assert!(stage.case(case).messages.is_empty(), "{absorbed:?}");
        assert_eq!(
            stage
                .count("select count(*) from deskie_cdc.delivery where state = 'parked'")
                .await,
            0
        );
    }
}

#[tokio::test]
async fn a_merge_that_only_a_refusal_tells_of_is_followed() {
    // GIVEN a ticket, and no sweep for an hour
    let stage = stage().set("deskie", "sweep = \"1h\"").build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let (other, other_case) = stage.open("other").await;
    stage.settled().await;
    // WHEN its case is merged into that of another ticket, and its customer writes
    stage.simulator.merge(case, other_case).unwrap();
    stage.writes(ticket, "bir").await;
    let line = connector.wait_for_log("a merge in Deskie").await;
    assert!(line.contains(&format!("ticket {other}")), "{line}");
    let there = |books: &Books| texts(books.case(other_case).unwrap()).contains(&"bir");
    stage.deskie("the message in the other case", there).await;
    // AND an agent answers there
    stage
        .simulator
        .agent_reply(other_case, Says::text("cevap"))
        .unwrap();
    stage.until_site(other, 1).await;
    stage.settled().await;
    // THEN the answer is in the other ticket alone, once
    assert_eq!(stage.rows(other).await, ["cevap"]);
    assert_eq!(stage.rows(ticket).await, ["bir"]);
    // AND the site can ask where it goes on, as docs/mapping.md says
    let asked = "select o.key from deskie_cdc.ticket t join deskie_cdc.ticket o on o.case_id = t.merged_into where t.key = $1";
    assert!(include_str!("../../../docs/mapping.md").contains(&asked.replace("$1", "'31'")));
    let found = stage.query(asked, &[&ticket.to_string()]).await;
    assert_eq!(found[0].get::<_, String>(0), other.to_string());
    assert_eq!(
        texts(&stage.case(other_case)),
        ["Soru: body", "other: body", "bir", "cevap"]
    );
}

#[tokio::test]
async fn a_merge_that_only_a_refused_edit_or_status_tells_of_is_followed() {
    for merged_by in ["edit", "status"] {
        // GIVEN a ticket whose edits and statuses go to Deskie, and no sweep for an hour
        let stage = stage()
            .set("deskie", "sweep = \"1h\"")
            .set("message", "on_edit = \"edit\"")
            .set(
                "ticket",
                "status = \"case t.status when 'closed' then 'closed' else 'open' end\"",
            )
            .build()
            .await;
        let connector = stage.run().await;
        let (ticket, case) = stage.open("Soru").await;
        let message = stage.writes(ticket, "bir").await;
        stage.until_deskie(case, 2).await;
        let parent = foreign_case(&stage, IVAN, "Ivan's own");
        stage.settled().await;
        // WHEN its case is merged, and the site changes something there before anybody notices
        stage.simulator.merge(case, parent).unwrap();
        match merged_by {
            "edit" => {
                let edit = format!("update messages set body = 'bir!' where id = {message}");
                stage.sql(&edit).await;
            }
            _ => {
                stage
                    .sql(&format!(
                        "update tickets set status = 'closed' where id = {ticket}"
                    ))
                    .await;
            }
        }
        connector.wait_for_log("a merge in Deskie").await;
        // THEN it is done in the parent, and so is what comes behind it
        stage.writes(ticket, "iki").await;
        let done = |books: &Books| {
            let parent = books.case(parent).unwrap();
            let said = texts(parent);
            said.contains(&"iki") && (said.contains(&"bir!") || merged_by == "status")
        };
        stage.deskie("both in the parent", done).await;
        stage.settled().await;
        let parked = "select count(*) from deskie_cdc.delivery where state = 'parked'";
        assert_eq!(stage.count(parked).await, 0, "{merged_by}");
    }
}

#[tokio::test]
async fn a_deleted_case_parks_its_ticket_and_no_new_one_is_opened() {
    // GIVEN two tickets with cases
    let stage = stage().build().await;
    let connector = stage.run().await;
    let (trashed, trashed_case) = stage.open("trash").await;
    let (purged, purged_case) = stage.open("purge").await;
    stage.settled().await;
    // WHEN the one is thrown away, the other deleted for good, and both customers write
    stage.simulator.act(Action::Trash { case: trashed_case }).unwrap();
    stage.simulator.act(Action::Purge { case: purged_case }).unwrap();
    stage.writes(trashed, "bir").await;
    connector.wait_for_log("is in Deskie's trash").await;
    stage.writes(purged, "bir").await;
    connector.wait_for_log("was deleted in Deskie").await;
    let books = stage.settled().await;
    // THEN no new case comes to be, and a person is told
    for ticket in [trashed, purged] {
        assert_eq!(books.cases_with_field(25, &ticket.to_string()).len(), 1);
    }
    let failed = stage.workplace.command(&["failed", "list"]).await.ok();
    assert!(
        failed.stdout.contains("trash: restore it there"),
        "{}",
        failed.stdout
    );
    // AND WHEN the one is restored and retried, THEN its message arrives
    stage
        .simulator
        .act(Action::Restore { case: trashed_case })
        .unwrap();
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    stage.until_deskie(trashed_case, 2).await;
}

#[tokio::test]
async fn a_closed_case_is_opened_again_by_its_customer() {
    // GIVEN a Deskie that leaves a closed case closed when a message comes through the API
    let stage = stage().set("deskie", "sweep = \"1s\"").build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN an agent closes it, and its customer writes
    stage.past_our_calls().await;
    stage.simulator.set_status(case, "closed").unwrap();
    stage.writes(ticket, "bir").await;
    // THEN it is opened again
    let open = |books: &Books| books.case(case).is_some_and(|case| case.status != "closed");
    stage.until_deskie(case, 2).await;
    stage.deskie("the case is open", open).await;
    // AND WHEN it is closed again later, THEN it stays so
    stage.past_our_calls().await;
    stage.simulator.set_status(case, "closed").unwrap();
    let sweeps = |books: &Books| books.calls_to("GET", "/cases.json").len();
    let before = sweeps(&stage.simulator.books());
    stage
        .deskie("some sweeps", |books| sweeps(books) >= before + 3)
        .await;
    let books = stage.settled().await;
    assert_eq!(stage.case(case).status, "closed");
    assert!(books.calls.iter().filter(|call| call.method == "PUT").count() <= 2);
}

#[tokio::test]
async fn a_case_in_spam_goes_on_where_deskie_takes_it_and_else_waits_for_a_person() {
    for takes in [true, false] {
        // GIVEN a ticket whose case an agent has marked as spam
        let stage = stage()
            .deskie(|options| options.spam_takes_messages = takes)
            .build()
            .await;
        let connector = stage.run().await;
        let (ticket, case) = stage.open("Soru").await;
        stage.settled().await;
        stage.simulator.act(Action::Spam { case }).unwrap();
        // WHEN its customer writes
        stage.writes(ticket, "bir").await;
        if !takes {
            // THEN, where Deskie refuses that, a person is told what to do
            connector.wait_for_log("is in Deskie's spam").await;
            stage.settled().await;
            assert_eq!(texts(&stage.case(case)), ["Soru: body"]);
            let failed = stage.workplace.command(&["failed", "list"]).await.ok();
            assert!(
                failed.stdout.contains("spam, and takes no message"),
                "{}",
                failed.stdout
            );
            stage.simulator.act(Action::Restore { case }).unwrap();
            stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
        }
        // THEN the message stands in its case, once, and an answer comes back
        stage.until_deskie(case, 2).await;
        stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
        stage.until_site(ticket, 2).await;
        let books = stage.settled().await;
        assert_eq!(
            texts(&stage.case(case)),
            ["Soru: body", "bir", "cevap"],
            "{takes}"
        );
        assert_eq!(books.cases_with_field(25, &ticket.to_string()).len(), 1);
    }
}

#[tokio::test]
async fn what_is_said_in_the_case_that_absorbed_anothers_is_never_read_by_the_absorbed_number() {
    // GIVEN two customers' tickets, all of whose messages are known, and a Deskie that shows the parent in place of a
    // case that was merged, and sends no webhook any more
    let stage = stage()
        .set("deskie", "sweep = \"1s\"")
        .deskie(|options| options.absorbed = Absorbed::Redirect)
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let other = stage.ticket(IVAN, "other", "other: body").await;
    let other_case = stage.case_of(other).await;
    for (ticket, case) in [(ticket, case), (other, other_case)] {
        stage.simulator.agent_reply(case, Says::text("önce")).unwrap();
        stage.until_site(ticket, 1).await;
    }
    stage.settled().await;
    stage.past_our_calls().await;
    stage.simulator.set_options(|options| options.rules.clear());
    let path = format!("/cases/{case}/messages.json");
    let reads = |books: &Books| books.calls_to("GET", &path).len();
    let before = reads(&stage.simulator.books());
    // WHEN an agent merges the one into the other, and answers there
    stage.simulator.merge(case, other_case).unwrap();
    stage
        .simulator
        .agent_reply(other_case, Says::text("cevap"))
        .unwrap();
    connector.wait_for_log("a merge in Deskie").await;
    stage.until_site(other, 2).await;
    let sweeps = |books: &Books| books.calls_to("GET", "/cases.json").len();
    let swept = sweeps(&stage.simulator.books());
    stage
        .deskie("another sweep", |books| sweeps(books) >= swept + 2)
        .await;
    let books = stage.settled().await;
    // THEN the answer is the other ticket's, and nobody has asked by the absorbed number
    assert_eq!(stage.rows(other).await, ["önce", "cevap"]);
    assert_eq!(stage.rows(ticket).await, ["önce"]);
    assert_eq!(reads(&books), before);
}

#[tokio::test]
async fn what_a_merge_brought_in_before_it_was_noticed_is_not_shown_to_the_other_customer() {
    // GIVEN pairs of two customers' tickets whose first messages have no number yet: no webhook, no sweep
    let stage = stage()
        .without_rules()
        .set("deskie", "sweep = \"1h\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let mut pairs = Vec::new();
    for absorbed in [Absorbed::NotFound, Absorbed::Redirect, Absorbed::Accept] {
        let (ticket, case) = stage.open(&format!("{absorbed:?}")).await;
        let other = stage.ticket(IVAN, "other", "other: body").await;
        pairs.push((absorbed, ticket, case, other, stage.case_of(other).await));
    }
    stage.settled().await;
    stage.simulator.add_rule(Rule {
        url: stage.workplace.webhook_url(),
        on_updated: true,
        body: RuleBody::Ids,
        ..Rule::default()
    });
    for (absorbed, ticket, case, other, other_case) in pairs {
        stage.simulator.set_options(|options| options.absorbed = absorbed);
        // WHEN an agent merges the one into the other and answers there, and only a webhook tells of it
        stage.simulator.merge(case, other_case).unwrap();
        stage
            .simulator
            .agent_reply(other_case, Says::text("cevap"))
            .unwrap();
        stage.until_site(other, 1).await;
        stage.settled().await;
        // THEN the other customer reads the answer alone
        assert_eq!(stage.rows(other).await, ["cevap"], "{absorbed:?}");
        assert!(stage.rows(ticket).await.is_empty(), "{absorbed:?}");
        // AND the absorbed ticket's customer is heard there
        stage.writes(ticket, "bir").await;
        let there = |books: &Books| texts(books.case(other_case).unwrap()).contains(&"bir");
        stage.deskie("the message in the other case", there).await;
    }
}

#[tokio::test]
async fn a_merge_before_the_first_message_has_a_number_is_followed() {
    // GIVEN a ticket whose first message has no number yet: there is no webhook, and its case is read at leisure
    let stage = stage()
        .without_rules()
        .set("deskie", "sweep = \"1s\"")
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let parent = foreign_case(&stage, IVAN, "Ivan's own");
    stage.past_our_calls().await;
    // WHEN its case is merged, and an agent answers in the parent
    stage.simulator.merge(case, parent).unwrap();
    connector.wait_for_log("a merge in Deskie").await;
    stage.simulator.agent_reply(parent, Says::text("cevap")).unwrap();
    // THEN the ticket goes on there, with the answer alone
    stage.until_site(ticket, 1).await;
    stage.settled().await;
    assert_eq!(stage.rows(ticket).await, ["cevap"]);
}

#[tokio::test]
async fn what_was_said_in_a_case_before_it_was_merged_into_another_customers_is_held() {
    // GIVEN two customers' tickets, each with an answer, of a connector that sweeps alone
    let stage = stage()
        .without_rules()
        .set("deskie", "sweep = \"1s\"")
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let other = stage.ticket(IVAN, "other", "other: body").await;
    let other_case = stage.case_of(other).await;
    for case in [case, other_case] {
        stage.simulator.agent_reply(case, Says::text("known")).unwrap();
    }
    stage.until_site(ticket, 1).await;
    stage.until_site(other, 1).await;
    stage.settled().await;
    stage.past_our_calls().await;
    connector.sigterm_and_wait().await;
    // WHEN things are said in the one's case, and it is merged into the other's before any of it was read
    let secret = || Says::text("secret");
    stage.simulator.agent_reply(case, secret()).unwrap();
    stage.simulator.customer_mail_reply(case, secret()).unwrap();
    // Deskie's clock tells whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    stage.simulator.merge(case, other_case).unwrap();
    let connector = stage.run().await;
    connector.wait_for_log("a merge in Deskie").await;
    // THEN it is held for a person
    let parked = "select count(*) from deskie_cdc.remote where state = 'parked'";
    wait_until("they are held", || async {
        (stage.count(parked).await == 2).then_some(())
    })
    .await;
    let status = stage.workplace.command(&["status"]).await.exits(1);
    assert!(status.stdout.contains("parked"), "{}", status.stdout);
    let discard = [
        "failed",
        "discard",
        "--kind",
        "reply",
        "--yes",
        "--reason",
        "another customer's",
    ];
    stage.workplace.command(&discard).await.ok();
    // AND he reads alone what is said afterwards
    stage.past_our_calls().await;
    stage
        .simulator
        .agent_reply(other_case, Says::text("for Ivan"))
        .unwrap();
    stage.until_site(other, 2).await;
    stage.settled().await;
    assert_eq!(stage.rows(other).await, ["known", "for Ivan"]);
    assert_eq!(stage.rows(ticket).await, ["known"]);
}

#[tokio::test]
async fn what_was_said_in_a_strangers_case_before_it_was_merged_into_a_tickets_is_held() {
    // GIVEN a ticket with a case, and a stranger's case that came by mail and was answered
    let stage = stage().set("deskie", "sweep = \"1s\"").build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let stranger = foreign_case(&stage, "zed@example.org", "secret of Zed");
    stage
        .simulator
        .agent_reply(stranger, Says::text("secret answer"))
        .unwrap();
    stage.settled().await;
    // Deskie's clock tells whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    // WHEN an agent merges it into the ticket's
    stage.simulator.merge(stranger, case).unwrap();
    // THEN what was said in it is held for a person
    let parked = "select count(*) from deskie_cdc.remote where state = 'parked'";
    wait_until("they are held", || async {
        (stage.count(parked).await == 2).then_some(())
    })
    .await;
    let discard = "failed discard --kind reply --yes --reason Zed's";
    let discard: Vec<&str> = discard.split(' ').collect();
    stage.workplace.command(&discard).await.ok();
    // AND what is said afterwards crosses, the stranger's mails too: he may be in copy
    stage.past_our_calls().await;
    stage.simulator.agent_reply(case, Says::text("for both")).unwrap();
    stage.until_site(ticket, 1).await;
    // A mail of the merge's own second may be from before it.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    stage
        .simulator
        .act(Action::CustomerMailReply {
            case,
            says: Says::text("in copy"),
            from: Some("zed@example.org".to_owned()),
            quote: false,
        })
        .unwrap();
    wait_until("the mail is there", || async {
        (stage.rows(ticket).await.len() == 2).then_some(())
    })
    .await;
    assert_eq!(stage.rows(ticket).await, ["for both", "in copy"]);
}
