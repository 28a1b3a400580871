//! `[alert] url`: somebody is told of each change of state.

use deskie_cdc_sandbox::simulator::{Action, Says};

use crate::support::{Hook, stage};

#[tokio::test]
async fn each_change_of_state_is_told_once() {
    // GIVEN a hook that fails once, and a site that refuses some answers
    let hook = Hook::start().await;
    let stage = stage()
        .schema("alter table messages add constraint no_swearing check (body not like '%damn%')")
        .set("deskie", "sweep = \"1s\"")
        .config(
            "[postgres]\n",
            &format!(
                "[alert]\nurl = \"{}\"\nname = \"Kırtasiye\"\n\n[postgres]\n",
                hook.url
            ),
        )
        .build()
        .await;
    let connector = stage.run().await;
    let (_, case) = stage.open("Soru").await;
    // WHEN an answer is parked, THEN it is told, although the hook failed at first
    stage.simulator.agent_reply(case, Says::text("damn it")).unwrap();
    hook.until("parked").await;
    {
        let heard = hook.heard.lock().unwrap();
        let text = heard[0]["text"].as_str().unwrap();
        assert!(
            text.starts_with("deskie-cdc (Kırtasiye): 1 newly parked") && !text.contains("damn"),
            "{text}"
        );
        assert!(
            heard[0]["at"]
                .as_str()
                .unwrap()
                .parse::<jiff::Timestamp>()
                .is_ok(),
            "{heard:?}"
        );
    }
    // AND it is named with its ticket, the reason, and the command that shows more
    {
        let heard = hook.heard.lock().unwrap();
        let text = heard[0]["text"].as_str().unwrap();
        for part in ["of ticket", "no_swearing", "deskie-cdc failed list"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    // WHEN it is mended, THEN that is told
    stage
        .sql("alter table messages drop constraint no_swearing")
        .await;
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    hook.until("nothing_parked").await;
    // WHEN the key is revoked and restored, THEN both are told, and nothing twice
    stage.simulator.act(Action::RevokeKey).unwrap();
    hook.until("key_revoked").await;
    stage.simulator.act(Action::RestoreKey).unwrap();
    hook.until("deskie_well").await;
    assert_eq!(
        hook.events(),
        ["parked", "nothing_parked", "key_revoked", "deskie_well"]
    );
    assert!(connector.sigterm_and_wait().await.success());
}

#[tokio::test]
async fn a_hook_that_is_away_holds_up_nothing() {
    // GIVEN an address where nobody listens
    let address = format!("http://127.0.0.1:{}/", crate::support::free_port());
    let stage = stage()
        .schema("alter table messages add constraint no_swearing check (body not like '%damn%')")
        .config(
            "[postgres]\n",
            &format!("[alert]\nurl = \"{address}\"\n\n[postgres]\n"),
        )
        .build()
        .await;
    let connector = stage.run().await;
    let (_, case) = stage.open("Soru").await;
    stage.simulator.agent_reply(case, Says::text("damn it")).unwrap();
    // WHEN an alert cannot be posted, THEN that is logged, and all else goes on
    connector.wait_for_log("an alert could not be posted").await;
    stage.open("other").await;
    stage.settled().await;
    assert!(connector.sigterm_and_wait().await.success());
}

#[tokio::test]
async fn what_waits_too_long_is_told_whatever_the_reason() {
    // GIVEN a hook, and an agent's answer that waits for a lock of the site's
    let hook = Hook::start().await;
    let stage = stage()
        .set("deskie", "sweep = \"1s\"")
        .config(
            "[postgres]\n",
            &format!("[alert]\nurl = \"{}\"\nafter = \"2s\"\n\n[postgres]\n", hook.url),
        )
        .build()
        .await;
    let connector = stage.run().await;
    let (_, case) = stage.open("Soru").await;
    stage.settled().await;
    stage
        .sql("begin; lock table messages in access exclusive mode")
        .await;
    stage.simulator.agent_reply(case, Says::text("Merhaba")).unwrap();
    // WHEN it has waited longer than [alert] after, THEN that is told, once, and `status` needs no person for it
    hook.until("waiting").await;
    let status = stage.workplace.command(&["status"]).await.ok();
    assert!(
        status.stdout.contains("waiting: the oldest thing"),
        "{}",
        status.stdout
    );
    // AND its end is told
    stage.sql("rollback").await;
    hook.until("nothing_waits").await;
    assert_eq!(hook.events(), ["waiting", "nothing_waits"]);
    assert!(connector.sigterm_and_wait().await.success());
}
