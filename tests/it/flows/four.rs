//! Each of the four flows once, on a site whose tickets hold the first message, and on one whose tickets do not.

use deskie_cdc_sandbox::sample_site;
use deskie_cdc_sandbox::simulator::{Action, Origin, Says};

use crate::support::{AYSE, Building, Stage, installations, stage, stage_on, texts};

/// A site whose ticket table has no body.
fn without_body(building: Building) -> Building {
    building
        .schema("alter table tickets drop column body")
        .config(
            "open_on = \"ticket\"\nsubject = \"subject\"\nbody = \"body\"\n",
            "open_on = \"message\"\nsubject = \"subject\"\n",
        )
        .opens_by(
            "with t as (insert into tickets (user_id, subject)
                 select id, $1 from users where email = 'kate@example.com' returning id)
             insert into messages (ticket_id, author, body) select id, 'customer', 'marker' from t returning ticket_id",
        )
}

/// A ticket of Ayşe's without any message; gives its key.
async fn bare_ticket(stage: &Stage, subject: &str) -> i64 {
    let sql = "insert into tickets (user_id, subject) select id, $2 from users where email = $1 returning id";
    stage.query(sql, &[&AYSE, &subject]).await[0].get(0)
}

#[tokio::test]
async fn the_four_flows() {
    for installation in installations() {
        // GIVEN the sample site and a Deskie whose rules tell of every message, ours too
        let stage = stage_on(&installation).build().await;
        let _connector = stage.run().await;

        // WHEN a customer opens a ticket
        let ticket = stage
            .ticket(AYSE, "Şifremi \"unuttum\" 🔑", "Merhaba,\ngirişim <yok>.")
            .await;
        // THEN there is a case of his with subject, text, name and the ticket's key
        let case = stage.case_of(ticket).await;
        let record = stage.case(case);
        assert_eq!(record.subject, "Şifremi \"unuttum\" 🔑");
        assert_eq!(record.contact, AYSE);
        assert_eq!(record.origin, Origin::Api);
        assert_eq!(texts(&record), ["Merhaba,<br>girişim &lt;yok&gt;."]);
        assert_eq!(record.custom_fields["cf_25"], ticket.to_string());
        let user = stage.simulator.books().users[0].clone();
        assert_eq!(
            (user.user_id, user.full_name.as_str()),
            (record.user_id, "Ayşe Yılmaz")
        );

        // WHEN an agent answers, and the customer by mail
        let sim = &stage.simulator;
        sim.agent_reply(case, Says::html("<p>Bağlantı <b>gönderdim</b>.</p>"))
            .unwrap();
        stage.until_site(ticket, 1).await;
        sim.customer_mail_reply(case, Says::html("<p>Спасибо!</p>"))
            .unwrap();
        // THEN both are rows, with the agent's name, and the ticket's own columns follow
        let shown = stage.until_site(ticket, 2).await;
        let line = |n: usize| (shown[n].author.as_str(), shown[n].body.as_str());
        assert_eq!(line(0), ("agent", "Bağlantı gönderdim."));
        assert_eq!(line(1), ("customer", "Спасибо!"));
        assert_eq!(shown[0].author_name.as_deref(), Some("Deniz Arslan"));
        let replies = stage
            .query("select replies_count from tickets where id = $1", &[&ticket])
            .await;
        assert_eq!(replies[0].get::<_, i32>(0), 2);

        // WHEN the customer writes on the site
        stage.writes(ticket, "Bir soru daha").await;
        // THEN it stands in the case, in his name
        let record = stage.until_deskie(case, 4).await;
        let last = record.messages.last().unwrap();
        assert_eq!((last.user_id, last.staff_id.0), (record.user_id, 0));
        assert_eq!(texts(&record)[3], "Bir soru daha");

        // THEN nothing is doubled on either side
        let books = stage.settled().await;
        assert_eq!(stage.rows(ticket).await.len(), 3);
        assert_eq!(books.case(case).unwrap().messages.len(), 4);
        assert_eq!(books.cases_with_field(25, &ticket.to_string()).len(), 1);
    }
}

#[tokio::test]
async fn the_four_flows_where_the_first_message_opens_the_case() {
    for installation in installations() {
        // GIVEN a site whose tickets hold no text
        let stage = without_body(stage_on(&installation)).build().await;
        let _connector = stage.run().await;

        // WHEN a ticket comes, and then its customer's first message
        let ticket = bare_ticket(&stage, "Fatura").await;
        stage.writes(ticket, "Faturam nerede?").await;
        // THEN the message opens the case
        let case = stage.case_of(ticket).await;
        let record = stage.case(case);
        assert_eq!(
            (record.subject.as_str(), texts(&record)),
            ("Fatura", vec!["Faturam nerede?"])
        );

        // WHEN both answer in Deskie, and the customer once more on the site
        stage.simulator.agent_reply(case, Says::text("Yolda.")).unwrap();
        stage.until_site(ticket, 2).await;
        stage
            .simulator
            .helpcentre_reply(case, Says::text("Tamam."))
            .unwrap();
        stage.until_site(ticket, 3).await;
        stage.writes(ticket, "Geldi, sağ olun").await;
        // THEN each stands once on each side, in order
        let record = stage.until_deskie(case, 4).await;
        assert_eq!(
            texts(&record),
            ["Faturam nerede?", "Yolda.", "Tamam.", "Geldi, sağ olun"]
        );
        stage.settled().await;
        assert_eq!(
            stage.rows(ticket).await,
            ["Faturam nerede?", "Yolda.", "Tamam.", "Geldi, sağ olun"]
        );
        assert_eq!(stage.case(case).messages.len(), 4);
    }
}

#[tokio::test]
async fn an_agent_who_writes_first_on_the_site_opens_no_case() {
    // GIVEN a site whose messages open the case
    let stage = without_body(stage()).build().await;
    let _connector = stage.run().await;

    // WHEN an agent writes first on the site
    let ticket = bare_ticket(&stage, "Hoş geldiniz").await;
    let sql = "insert into messages (ticket_id, author, body) values ($1, 'agent', 'Welcome!')";
    stage.site.client.execute(sql, &[&ticket]).await.unwrap();
    // THEN Deskie hears nothing of it
    let books = stage.settled().await;
    assert!(books.cases_with_field(25, &ticket.to_string()).is_empty());

    // WHEN the customer answers
    stage.writes(ticket, "Teşekkürler").await;
    // THEN that opens the case, and the agent's greeting is not in it
    let case = stage.case_of(ticket).await;
    assert_eq!(texts(&stage.case(case)), ["Teşekkürler"]);
    stage.settled().await;
    assert_eq!(stage.case(case).messages.len(), 1);
}

#[tokio::test]
async fn an_old_ticket_comes_to_deskie_when_its_customer_writes_again() {
    for open_on_message in [false, true] {
        // GIVEN tickets from before the connector, which stay where they are
        let building = stage();
        let stage = match open_on_message {
            true => without_body(building).build().await,
            false => building.build().await,
        };
        let _connector = stage.run().await;
        assert_eq!(stage.settled().await.cases.len(), 1, "the marker's alone");

        // WHEN the site touches them, and the customer of one writes
        stage
            .sql("update tickets set status = 'closed'; update messages set body = body || '!'")
            .await;
        sample_site::customer_reply(&stage.site.client, 2, "Письма всё ещё нет")
            .await
            .unwrap();
        // THEN that one has a case, opened with the new message, in the name of its customer
        let case = stage.case_of(2).await;
        let books = stage.settled().await;
        let record = books.case(case).unwrap();
        assert_eq!(record.contact, "ivan@example.com");
        assert_eq!(record.subject, "Не приходит письмо для сброса пароля");
        assert_eq!(texts(record), ["Письма всё ещё нет"]);
        // AND the others have none
        assert_eq!(books.cases.len(), 3, "two markers and the one");
    }
}

#[tokio::test]
async fn a_case_that_is_none_of_ours_is_left_alone() {
    // GIVEN a running connector
    let stage = stage().build().await;
    let _connector = stage.run().await;
    // WHEN somebody writes to the support address, and an agent answers there
    let acted = stage.simulator.act(Action::CreateCaseByMail {
        user_email: AYSE.into(),
        user_full_name: "Ayşe".into(),
        subject: "By mail".into(),
        says: Says::text("Hello"),
    });
    let case = acted.unwrap().case_id.unwrap();
    stage.simulator.agent_reply(case, Says::text("Hi")).unwrap();
    // THEN the site does not hear of it
    let before = stage.count("select count(*) from messages").await;
    stage.settled().await;
    assert_eq!(stage.count("select count(*) from messages").await, before);
}
