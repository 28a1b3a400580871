//! `[deskie] site`: several sites in one account, with one ticket field.

use deskie_cdc_sandbox::simulator::CaseId;
use deskie_cdc_sandbox::simulator::{Action, Rule, Says, Trigger};

use crate::support::{AYSE, IVAN, Site, Stage, Workplace, prepared, stage, texts, wait_until};

/// How many cases were left alone as another site's.
const LEFT_ALONE: &str = "select coalesce(sum(count), 0)::int8 from deskie_cdc.skipped where reason like 'a case of another site%'";

/// Waits until the other site's cases were seen.
async fn until_left_alone(site: &Site, count: i64) {
    wait_until("the other site's cases were seen", || async {
        let found: i64 = site.client.query_one(LEFT_ALONE, &[]).await.unwrap().get(0);
        (found >= count).then_some(())
    })
    .await;
}

/// Another site with the same Deskie.
async fn another(stage: &Stage, name: &str) -> (Site, Workplace) {
    let site = Site::start().await;
    let workplace = Workplace::new(&site, &stage.simulator.url());
    workplace.change_config(
        "[deskie]\n",
        &format!("[deskie]\nsite = \"{name}\"\nsweep = \"1s\"\n"),
    );
    for on in [Trigger::AgentReply, Trigger::CustomerReply] {
        let url = workplace.webhook_url();
        stage.simulator.add_rule(Rule {
            url,
            on,
            on_updated: true,
            ..Rule::default()
        });
    }
    prepared(&site, &workplace).await;
    (site, workplace)
}

#[tokio::test]
async fn two_sites_share_an_account_and_its_ticket_field() {
    // GIVEN two sites whose tickets have the same keys
    let mut first = stage()
        .set("deskie", "site = \"shop1\"\nsweep = \"1s\"")
        .build()
        .await;
    let (site, workplace) = another(&first, "shop2").await;
    let connector = first.run().await;
    let other = workplace.run();
    other.wait_for_log("leading").await;
    // WHEN both open a ticket
    let (ticket, case) = first.open("Bir").await;
    let here = std::mem::replace(&mut first.site, site);
    let (same, other_case) = first.open("İki").await;
    assert_eq!((ticket, case == other_case), (same, false));
    // THEN each case says whose it is
    let held = |case: CaseId| first.case(case).custom_fields["cf_25"].clone();
    assert_eq!(held(case), format!("shop1:{ticket}"));
    assert_eq!(held(other_case), format!("shop2:{ticket}"));
    // WHEN both are answered, THEN each answer goes to its own site
    first
        .simulator
        .agent_reply(case, Says::text("cevap bir"))
        .unwrap();
    first
        .simulator
        .agent_reply(other_case, Says::text("cevap iki"))
        .unwrap();
    first.until_site(ticket, 1).await;
    assert_eq!(first.rows(ticket).await, ["cevap iki"]);
    let there = std::mem::replace(&mut first.site, here);
    first.until_site(ticket, 1).await;
    assert_eq!(first.rows(ticket).await, ["cevap bir"]);
    // AND the other site's case is nobody's trouble, after a restart neither
    until_left_alone(&first.site, 1).await;
    until_left_alone(&there, 1).await;
    assert!(connector.sigterm_and_wait().await.success());
    assert!(other.sigterm_and_wait().await.success());
    let _connector = first.run().await;
    let other = workplace.run();
    other.wait_for_log("leading").await;
    first.writes(ticket, "devam").await;
    first.until_deskie(case, 3).await;
    assert_eq!(texts(&first.case(case)), ["Bir: body", "cevap bir", "devam"]);
    for place in [&first.workplace, &workplace] {
        let failed = place.command(&["failed", "list"]).await.ok().stdout;
        assert!(failed.contains("nothing waits"), "{failed}");
    }
}

#[tokio::test]
async fn a_site_that_gets_its_name_later_keeps_its_cases() {
    // GIVEN an installation without a name, with a case, and with a create whose answer is lost as it stops
    let first = stage().set("deskie", "sweep = \"1s\"").build().await;
    let connector = first.run().await;
    let (ticket, case) = first.open("Eski").await;
    first.settled().await;
    assert!(connector.sigterm_and_wait().await.success());
    // WHEN it gets a name, and somebody answers in the old case
    first
        .workplace
        .change_config("[deskie]\n", "[deskie]\nsite = \"shop1\"\n");
    let connector = first.run().await;
    first.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    first.until_site(ticket, 1).await;
    first.writes(ticket, "sağ ol").await;
    first.until_deskie(case, 3).await;
    // THEN the old case stays its ticket's, and a new one carries the name
    let new = first.ticket(IVAN, "Yeni", "yeni").await;
    let new_case = first.case_of(new).await;
    assert_eq!(first.case(case).custom_fields["cf_25"], ticket.to_string());
    assert_eq!(
        first.case(new_case).custom_fields["cf_25"],
        format!("shop1:{new}")
    );
    first.settled().await;
    assert_eq!(
        first
            .count("select count(*) from deskie_cdc.ticket where estranged is not null")
            .await,
        0
    );

    // WHEN a case that nobody opened here bears a key without a name, and one that of another site
    assert!(connector.sigterm_and_wait().await.success());
    let claims = |case: CaseId, value: &str| {
        let set = Action::SetField {
            case,
            field: 25,
            value: value.to_owned(),
        };
        first.simulator.act(set).unwrap();
    };
    let (bare, others) = (born(&first), born(&first));
    claims(bare, "77");
    claims(others, "shop9:78");
    let _connector = first.run().await;
    until_left_alone(&first.site, 1).await;
    // THEN the nameless one may be ours from before a restore, and is shown to a person; the other is left alone
    wait_until("the nameless one is told", || async {
        let failed = first.workplace.command(&["failed", "list"]).await.stdout;
        failed.contains("77").then_some(())
    })
    .await;
    let failed = first.workplace.command(&["failed", "list"]).await.stdout;
    assert!(!failed.contains("78"), "{failed}");
    // AND a site that always had its name leaves both alone
    let (site, workplace) = another(&first, "shop2").await;
    let other = workplace.run();
    other.wait_for_log("leading").await;
    until_left_alone(&site, 4).await;
    let failed = workplace.command(&["failed", "list"]).await.ok().stdout;
    assert!(failed.contains("nothing waits"), "{failed}");
}

/// A case that somebody has opened in Deskie.
fn born(stage: &Stage) -> CaseId {
    stage
        .simulator
        .act(Action::CreateCaseByMail {
            user_email: AYSE.to_owned(),
            user_full_name: String::new(),
            subject: "elden".to_owned(),
            says: Says::text("elden"),
        })
        .unwrap()
        .case_id
        .unwrap()
}
