//! Replies that the site refuses: they wait for a person, and hold up nothing else.

use deskie_cdc_sandbox::simulator::Says;

use crate::support::{installations, stage, stage_on, texts};

#[tokio::test]
async fn a_reply_that_breaks_a_check_waits_with_the_databases_own_words() {
    for installation in installations() {
        // GIVEN a site that has its own idea of a message
        let stage = stage_on(&installation)
            .schema("alter table messages add constraint no_swearing check (body not like '%damn%')")
            .build()
            .await;
        let connector = stage.run().await;
        let (parked, parked_case) = stage.open("park").await;
        let (other, other_case) = stage.open("other").await;
        // WHEN an agent's answer breaks it
        stage
            .simulator
            .agent_reply(parked_case, Says::text("damn it"))
            .unwrap();
        let line = connector.wait_for_log("the reply is parked").await;
        // THEN the database's own words say why
        assert!(line.contains("no_swearing"), "{line}");
        let listed = stage.workplace.command(&["failed", "list"]).await.ok();
        assert!(listed.stdout.contains("no_swearing"), "{}", listed.stdout);
        // AND the next one of the ticket waits behind it, while another ticket goes on
        stage
            .simulator
            .agent_reply(parked_case, Says::text("sorry"))
            .unwrap();
        stage
            .simulator
            .agent_reply(other_case, Says::text("cevap"))
            .unwrap();
        stage.until_site(other, 1).await;
        // AND the customer's messages of the parked ticket still go to Deskie
        stage.writes(parked, "still there?").await;
        stage.until_deskie(parked_case, 4).await;
        stage.settled().await;
        assert_eq!(stage.rows(parked).await, ["still there?"]);
        let replies = "select replies_count::bigint from tickets order by id desc offset 2 limit 1";
        assert_eq!(
            stage.count(replies).await,
            0,
            "nothing of a parked reply is written"
        );
        // WHEN the site is mended, and a person says so
        stage
            .sql("alter table messages drop constraint no_swearing")
            .await;
        stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
        // THEN both come, in order, once
        stage.until_site(parked, 3).await;
        stage.settled().await;
        assert_eq!(stage.rows(parked).await, ["still there?", "damn it", "sorry"]);
        assert_eq!(texts(&stage.case(parked_case)).len(), 4);
    }
}

#[tokio::test]
async fn a_reply_to_a_deleted_ticket_leaves_no_orphan() {
    // GIVEN a site without a foreign key, which would take any row
    let stage = stage()
        .schema("alter table messages drop constraint messages_ticket_id_fkey")
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN the ticket is deleted on the site, and an agent answers it
    let deleted = stage
        .site
        .client
        .execute("delete from tickets where id = $1", &[&ticket])
        .await;
    assert_eq!(deleted.unwrap(), 1);
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    // THEN the answer is parked, and no row comes to be
    let line = connector.wait_for_log("the reply is parked").await;
    assert!(line.contains(&ticket.to_string()), "{line}");
    stage.settled().await;
    assert!(stage.rows(ticket).await.is_empty());
    let state = "select count(*) from deskie_cdc.remote where state = 'parked'";
    assert_eq!(stage.count(state).await, 1);
    // AND other tickets go on
    let (other, other_case) = stage.open("other").await;
    stage
        .simulator
        .agent_reply(other_case, Says::text("cevap"))
        .unwrap();
    stage.until_site(other, 1).await;
}

#[tokio::test]
async fn a_lock_of_the_site_delays_a_reply_and_no_more() {
    // GIVEN a transaction of the site that holds the ticket's row
    let stage = stage().build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let mut site = stage.site.connect().await;
    let holding = site.transaction().await.unwrap();
    holding
        .execute("select from tickets where id = $1 for update", &[&ticket])
        .await
        .unwrap();
    // WHEN an agent answers, THEN it waits, and other tickets do not
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    let (other, other_case) = stage.open("other").await;
    stage
        .simulator
        .agent_reply(other_case, Says::text("cevap"))
        .unwrap();
    stage.until_site(other, 1).await;
    connector.wait_for_log("the reply could not be written yet").await;
    assert!(stage.rows(ticket).await.is_empty());
    // WHEN the site lets go, THEN the answer comes, once
    holding.commit().await.unwrap();
    stage.until_site(ticket, 1).await;
    stage.settled().await;
    assert_eq!(stage.rows(ticket).await, ["cevap"]);
}
