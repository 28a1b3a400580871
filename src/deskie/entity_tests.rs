//! Answers from the dossier, and every odd form of them that was seen.

use super::super::wire::{list, single};
use super::*;
use proptest::prelude::*;
use serde_json::json;

#[test]
fn the_documented_case_is_read() {
    let answer = json!({"case":{"case_id":2000,"case_number":"664-245651","subject":"Help","user_id":123,
        "staff_id":22,"group_id":44,"status":"waiting","priority":"normal","channel":"web",
        "recipient":"u@x.com","recipient_cc":"c@x.com","recipient_bcc":"","deleted":false,"spam":false,
        "created_at":"Mon, 05 May 2014 00:15:17 +0300","updated_at":"Tue, 23 Dec 2014 10:55:23 +0200",
        "closed_at":"-","language_id":2,"custom_fields":{"cf_25":"t","cf_30":7,"cf_31":null,"cf_32":true},
        "labels":[101,"102"]}});
    let case: Case = single(&answer).unwrap();
    assert_eq!(case.case_id, CaseId(2000));
    assert_eq!(case.user_id, Some(UserId(123)));
    assert_eq!(case.status, Status::Waiting);
    assert_eq!(case.recipient_cc, "c@x.com");
    assert_eq!(case.created_at, "2014-05-04T21:15:17Z".parse().ok());
    assert_eq!(case.closed_at, None);
    assert_eq!(case.parent_case_id, None);
    assert_eq!(case.labels, [101, 102]);
    let fields: Vec<_> = case
        .custom_fields
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(fields, [("cf_25", "t"), ("cf_30", "7"), ("cf_32", "true")]);
}

#[test]
fn the_other_brand_and_php_forms_are_read() {
    let answer = json!({"case":{"case_id":"420000000","user_id":"5654846848","staff_id":"0","deleted":"0",
        "spam":1,"cc_emails":"c@x.com","custom_fields":[],"labels":"","parent_case_id":"7"}});
    let case: Case = single(&answer).unwrap();
    assert_eq!(case.user_id, Some(UserId(5_654_846_848)));
    assert_eq!(case.staff_id, None);
    assert!(!case.deleted && case.spam);
    assert_eq!(case.recipient_cc, "c@x.com");
    assert_eq!(case.parent_case_id, Some(CaseId(7)));
    assert!(case.custom_fields.is_empty() && case.labels.is_empty());
}

#[test]
fn a_list_is_sorted_by_its_numeric_keys() {
    let answer = json!({"10":{"message":{"message_id":30}},"2":{"message":{"message_id":20}},
        "total_count":"12","0":{"message":{"message_id":"10"}}});
    let list: List<Message> = list(&answer).unwrap();
    let ids: Vec<i64> = list.items.iter().map(|message| message.message_id.0).collect();
    assert_eq!(ids, [10, 20, 30]);
    assert_eq!(list.total, Some(12));
}

#[test]
fn every_form_of_an_empty_list_is_empty() {
    for answer in [
        json!({"case":[]}),
        json!({"case":""}),
        json!({"case":{}}),
        json!({"total_count":0}),
        json!({"total_count":"0"}),
        json!({}),
        json!(""),
        json!([]),
    ] {
        let list = list::<Case>(&answer);
        assert!(
            list.as_ref().is_ok_and(|list| list.items.is_empty()),
            "{answer}: {list:?}"
        );
    }
}

#[test]
fn what_is_no_list_is_never_taken_for_an_empty_one() {
    for answer in [
        json!(null),
        json!("ok"),
        json!(1),
        json!({"status":"maintenance"}),
        json!({"0":"maintenance"}),
        json!(["maintenance"]),
        json!({"0":{"case":{"subject":"no id"}},"1":{"case":{"subject":"none"}}}),
        json!({"0":{"id":1}}),
    ] {
        assert!(list::<Case>(&answer).is_err(), "{answer}");
    }
}

#[test]
fn an_entry_that_cannot_be_read_costs_none_of_its_neighbours() {
    for (odd, told) in [
        (json!(null), "null in its place"),
        (json!("deleted"), "a text in its place"),
        (json!({"case":{}}), "it has no `case_id`"),
        (json!({"case":{"case_id":null}}), "its `case_id` is null"),
        (json!({"case":{"case_id":1.5}}), "its `case_id` is 1.5"),
        (json!({"case":{"case_id":-3}}), "its `case_id` is -3"),
        (
            json!({"case":{"case_id":"99999999999999999999"}}),
            "its `case_id` is a text",
        ),
        (json!({"case":[]}), "a list in its place"),
        (json!({"user":{"user_id":1}}), "it has no `case_id`"),
    ] {
        let answer = json!({"0":{"case":{"case_id":"1"}},"1":odd,"2":{"case":{"case_id":2.0}},"3":{"case":{"case_id":1}},
            "total_count":3});
        let list = list::<Case>(&answer).unwrap();
        let ids: Vec<i64> = list.items.iter().map(|case| case.case_id.0).collect();
        assert_eq!((ids, list.len()), (vec![1, 2], 3), "{answer}");
        let entry = list.unreadable[0].to_string();
        assert_eq!(entry, format!("entry 2 of the list is no `case`: {told}"));
    }
    let lone = list::<Case>(&json!({"0":{"case":{"subject":"no id"}},"total_count":1})).unwrap();
    assert_eq!((lone.items.len(), lone.unreadable.len()), (0, 1));
}

#[test]
fn the_author_of_a_message() {
    let author = |value: Value| {
        let mut object = json!({"message_id":1});
        if let (Some(object), Some(more)) = (object.as_object_mut(), value.as_object()) {
            object.extend(more.clone());
        }
        single::<Message>(&json!({"message":object})).map(|message| message.author())
    };
    assert_eq!(
        author(json!({"user_id":5,"staff_id":0})),
        Some(Writer::Customer(UserId(5)))
    );
    assert_eq!(
        author(json!({"user_id":"0","staff_id":"7"})),
        Some(Writer::Staff(StaffId(7)))
    );
    assert_eq!(
        author(json!({"user_id":5,"staff_id":7})),
        Some(Writer::Staff(StaffId(7)))
    );
    assert_eq!(author(json!({"staff_id":7,"note":1})), Some(Writer::Note));
    assert_eq!(author(json!({})), Some(Writer::Unknown));
}

#[test]
fn a_message_hides_its_text_from_logs() {
    let message: Message = single(&json!({"message":{"message_id":1,"content":"my password is x"}})).unwrap();
    assert!(!format!("{message:?}").contains("password"));
}

use super::super::wire::List;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[-0-9a-z:, ]{0,12}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("case".to_owned()),
        Just("message".to_owned()),
        Just("case_id".to_owned()),
        Just("created_at".to_owned()),
        Just("custom_fields".to_owned()),
        Just("attachments".to_owned()),
        "[0-9]{1,3}",
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_answer_makes_the_readers_panic(answer in any_json()) {
        let _ = list::<Case>(&answer);
        let _ = list::<Message>(&answer);
        let _ = list::<CustomField>(&answer);
        let _ = single::<Case>(&answer);
        let _ = single::<Message>(&answer);
        let _ = single::<User>(&answer);
    }
}
