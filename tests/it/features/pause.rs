//! A person pauses a direction: nothing goes that way, all is kept, and goes on afterwards.

use deskie_cdc_sandbox::simulator::Says;

use crate::support::{AYSE, Stage, stage, wait_until};

const TOKEN: &str = "t0ken-of-sixteen";

/// Acts on the console as a program does; gives the answer's status.
async fn act(stage: &Stage, path: &str, token: &str) -> u16 {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.post(stage.workplace.admin_url(path)).bearer_auth(token);
    request.send().await.unwrap().status().as_u16()
}

async fn paused() -> Stage {
    stage()
        .set("server", &format!("admin_token = \"{TOKEN}\""))
        .set("deskie", "sweep = \"1s\"")
        .config(
            "[postgres]\n",
            "[alert]\nurl = \"http://127.0.0.1:9/\"\nafter = \"1s\"\n\n[postgres]\n",
        )
        .build()
        .await
}

#[tokio::test]
async fn a_paused_way_to_deskie_keeps_everything_over_a_restart_and_sends_it_afterwards() {
    // GIVEN a ticket with a case, and the way to Deskie paused, by one who may
    let stage = paused().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    assert_eq!(act(&stage, "/pause/sideways", TOKEN).await, 404);
    assert_eq!(act(&stage, "/pause/to_deskie", "another-of-sixteen").await, 401);
    wait_until("the token is looked at", async || {
        (act(&stage, "/pause/to_deskie", TOKEN).await == 200).then_some(())
    })
    .await;
    // THEN `status` says so, and that it needs a person
    let status = stage.workplace.command(&["status"]).await.exits(1).stdout;
    assert!(status.contains("paused the way to Deskie"), "{status}");
    let lasts = "select count(*) from deskie_cdc.trouble where kind = 'paused' and subject = 'to_deskie' and ended_at is null";
    wait_until("it is noted", async || {
        (stage.count(lasts).await == 1).then_some(())
    })
    .await;

    // WHEN the customer writes, and the connector is restarted
    stage.writes(ticket, "Bekleyen mesaj").await;
    let queued = "select count(*) from deskie_cdc.delivery where state = 'queued'";
    wait_until("it is queued", async || {
        (stage.count(queued).await == 1).then_some(())
    })
    .await;
    connector.sigterm_and_wait().await;
    let _connector = stage.run().await;
    // THEN the other way works, by the same lanes, and nothing was sent
    stage.simulator.agent_reply(case, Says::text("Yanıt")).unwrap();
    stage.until_site(ticket, 2).await;
    let other = stage.ticket(AYSE, "Başka", "Merhaba").await;
    wait_until("that is queued too", async || {
        (stage.count(queued).await == 2).then_some(())
    })
    .await;
    stage
        .simulator
        .agent_reply(case, Says::text("Bir yanıt daha"))
        .unwrap();
    stage.until_site(ticket, 3).await;
    assert_eq!(stage.case(case).messages.len(), 3, "the opening and two answers");
    assert_eq!(stage.simulator.books().cases.len(), 1);

    // AND that the oldest of it waits is told by nothing but the pause
    let waits_long = format!("{queued} and queued_at < now() - interval '1 second'");
    wait_until("the first of it has waited for longer than `after`", async || {
        (stage.count(&waits_long).await > 0).then_some(())
    })
    .await;
    let status = stage.workplace.command(&["status"]).await.exits(1).stdout;
    assert!(!status.contains("the oldest thing has waited"), "{status}");

    // WHEN it is resumed, THEN all of it is sent
    assert_eq!(act(&stage, "/resume/to_deskie", TOKEN).await, 200);
    stage.until_deskie(case, 4).await;
    stage.case_of(other).await;
    wait_until("its end is noted", async || {
        (stage.count(lasts).await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_paused_way_to_the_site_keeps_what_deskie_says_and_writes_it_afterwards() {
    // GIVEN the way to the site paused
    let stage = paused().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    assert_eq!(act(&stage, "/pause/to_site", TOKEN).await, 200);
    // WHEN an agent answers
    stage.simulator.agent_reply(case, Says::text("Yanıt")).unwrap();
    let waits = "select count(*) from deskie_cdc.remote where state = 'pending'";
    wait_until("it is stored", async || {
        (stage.count(waits).await == 1).then_some(())
    })
    .await;
    // THEN the other way works, and nothing is written
    stage.writes(ticket, "Bir soru daha").await;
    stage.until_deskie(case, 3).await;
    assert_eq!(stage.count(waits).await, 1);
    assert_eq!(stage.rows(ticket).await.len(), 1, "the customer's own");
    // WHEN it is resumed, THEN the answer is there
    assert_eq!(act(&stage, "/resume/to_site", TOKEN).await, 200);
    stage.until_site(ticket, 2).await;
}

#[tokio::test]
async fn a_direction_is_paused_and_resumed_by_commands() {
    // GIVEN a running connector, WHEN both ways are paused by the command
    let stage = paused().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let run = async |arguments: &[&str]| stage.workplace.command(arguments).await.exits(0).stdout;
    let told = run(&["pause", "both", "--reason", "moving house"]).await;
    assert!(
        told.contains("to_deskie paused") && told.contains("to_site paused"),
        "{told}"
    );
    assert_eq!(run(&["pause", "to_site"]).await, "to_site is paused already\n");
    // THEN nothing goes either way, and who asks is told how it goes on
    stage.writes(ticket, "Bekleyen mesaj").await;
    stage
        .simulator
        .agent_reply(case, Says::text("Bekleyen yanıt"))
        .unwrap();
    let waits = "select (select count(*) from deskie_cdc.delivery where state = 'queued')
        + (select count(*) from deskie_cdc.remote where state = 'pending')";
    wait_until("both wait", async || {
        (stage.count(waits).await == 2).then_some(())
    })
    .await;
    let status = stage.workplace.command(&["status"]).await.exits(1).stdout;
    assert!(status.contains("deskie-cdc resume to_deskie"), "{status}");

    // WHEN they are resumed, THEN both go on, and it is noted who did what
    assert_eq!(
        run(&["resume", "both"]).await,
        "to_deskie goes on\nto_site goes on\n"
    );
    stage.until_deskie(case, 3).await;
    stage.until_site(ticket, 2).await;
    let noted = "select count(*) from deskie_cdc.audit where via = 'command' and act in ('pause', 'resume')
        and (act = 'resume' or reason = 'moving house')";
    assert_eq!(stage.count(noted).await, 4);
}
