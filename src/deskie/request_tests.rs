//! What goes over the wire.

use super::*;

#[test]
fn a_case_in_json_and_as_a_form() {
    let mut case = NewCase::new(
        Contact::Email("u@x.com".to_owned()),
        "I need help",
        Content::both("1 < 2", "1 &lt; 2"),
    );
    case.full_name = Some("Ayşe".to_owned());
    case.custom_fields.insert("cf_25".to_owned(), "42".to_owned());
    case.labels = vec![101, 102];
    case.created_at = Timestamp::from_second(1_700_000_000).ok();
    let body = case.body();
    assert_eq!(
        Value::Object(body.clone()),
        json!({"user_email":"u@x.com","user_full_name":"Ayşe","subject":"I need help","content":"1 < 2",
            "content_html":"1 &lt; 2","created_at":1_700_000_000,"custom_fields":{"cf_25":"42"},
            "labels":[101,102]})
    );
    let fields = form_fields("case", &body);
    for (name, value) in [
        ("case[user_email]", "u@x.com"),
        ("case[custom_fields][cf_25]", "42"),
        ("case[labels][1]", "102"),
        ("case[created_at]", "1700000000"),
    ] {
        assert!(
            fields.contains(&(name.to_owned(), value.to_owned())),
            "{name} in {fields:?}"
        );
    }
}

#[test]
fn a_message_always_names_its_author() {
    let content = Content {
        text: Some("x".to_owned()),
        html: None,
    };
    let customer = NewMessage::new(Author::Customer(UserId(5)), content.clone()).body();
    assert_eq!(Value::Object(customer), json!({"user_id":5,"content":"x"}));
    let mut staff = NewMessage::new(Author::Staff(StaffId(7)), content);
    staff.do_not_send_email = true;
    assert_eq!(
        Value::Object(staff.body()),
        json!({"staff_id":7,"content":"x","do_not_send_email":true})
    );
}

#[test]
fn a_custom_contact_brings_its_channel() {
    let contact = Contact::Custom {
        channel: "cch3".to_owned(),
        id: "u1".to_owned(),
    };
    let mut case = NewCase::new(contact, "s", Content::default());
    case.channel = Some("cch9".to_owned());
    assert_eq!(
        Value::Object(case.body()),
        json!({"user_custom_id":"u1","channel":"cch3","subject":"s"})
    );
}

#[test]
fn filters_are_exact_where_they_can_be() {
    let query = CaseQuery {
        custom_field: Some(("cf_25".to_owned(), "42".to_owned())),
        user_email: Some("a@b.c".to_owned()),
        from_updated_time: Timestamp::from_second(1_700_000_000).ok(),
        sort: Some(Sort::UpdatedDesc),
        limit: Some(1_000),
        show_merged_cases: true,
        ..CaseQuery::default()
    };
    let pairs: Vec<String> = query
        .pairs()
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(
        pairs,
        [
            "custom_fields[cf_25]=^42^",
            "user_email=^a@b.c^",
            "from_updated_time=1700000000",
            "sort=updated_at_desc",
            "limit=100",
            "show_merged_cases=true",
        ]
    );
}

#[test]
fn the_debug_form_shows_no_text() {
    let message = NewMessage::new(
        Author::Customer(UserId(1)),
        Content::both("secret", "<b>secret</b>"),
    );
    assert!(!format!("{message:?}").contains("secret"));
}
