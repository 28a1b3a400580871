//! Who the agents are.

use deskie_cdc_sandbox::simulator::StaffId;
use deskie_cdc_sandbox::simulator::{Agent, Fault, FaultKind, Match, Says};

use crate::support::{Building, stage};

/// An account with this many more agents.
fn with_agents(building: Building, count: i64) -> Building {
    building.deskie(|options| {
        options.agents.extend((1..=count).map(|n| Agent {
            staff_id: StaffId(50_000 + n),
            email: format!("agent{n}@example.com"),
            full_name: format!("Agent {n}"),
            active: true,
        }));
    })
}

#[tokio::test]
async fn an_agent_of_the_second_page_has_a_name() {
    // GIVEN an account with more agents than a page holds
    let stage = with_agents(stage(), 150).build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN one of the last answers, and one whom nobody knows, twice
    for staff in [50_149, 60_000, 60_000] {
        let says = Says {
            staff: Some(StaffId(staff)),
            ..Says::text("cevap")
        };
        stage.simulator.agent_reply(case, says).unwrap();
    }
    let shown = stage.until_site(ticket, 3).await;
    // THEN the one has a name, and the other is asked for once
    let names: Vec<Option<&str>> = shown
        .iter()
        .map(|message| message.author_name.as_deref())
        .collect();
    assert_eq!(names, [Some("Agent 149"), None, None]);
    let asked = stage.simulator.books().calls_to("GET", "/staff.json").len();
    assert!(asked <= 4, "{asked} pages");
}

#[tokio::test]
async fn a_list_of_agents_that_fails_costs_a_moment_and_not_the_name() {
    // GIVEN a Deskie whose list of agents fails twice
    let stage = stage().build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let down = FaultKind::RejectBefore {
        status: 503,
        body: String::new(),
    };
    stage
        .simulator
        .add_fault(Fault::on(Match::ListStaff, down).times(2));
    // WHEN an agent answers
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    connector.wait_for_log("names could not be read").await;
    // THEN his answer comes with his name
    let shown = stage.until_site(ticket, 1).await;
    assert_eq!(shown[0].author_name.as_deref(), Some("Deniz Arslan"));
}

#[tokio::test]
async fn what_may_hold_a_lock_of_the_site_is_short() {
    // GIVEN a site whose reply shows the limits of its session
    let stage = stage()
        .config(
            "replies_count = replies_count + 1",
            "subject = current_setting('statement_timeout') || ' ' || current_setting('lock_timeout')",
        )
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 1).await;
    // THEN they are what docs/architecture.md says
    let subject: String = stage
        .query("select subject from tickets where id = $1", &[&ticket])
        .await[0]
        .get(0);
    assert_eq!(subject, "5s 100ms");
}

#[tokio::test]
async fn a_value_that_is_exactly_a_columns_name_is_that_column() {
    for name in ["e-mail", "s:ubject", "a b", "order"] {
        // GIVEN a site with a column of an odd name, which is mapped by that name alone
        let column = format!("alter table tickets add column \"{name}\" text default 'odd'");
        let stage = stage()
            .schema(&column)
            .config("subject = \"subject\"", &format!("subject = \"{name}\""))
            .build()
            .await;
        let _connector = stage.run().await;
        // WHEN a ticket is opened, THEN what stands there is the case's subject
        let (_, case) = stage.open("Soru").await;
        assert_eq!(stage.case(case).subject, "odd", "{name}");
    }
}
