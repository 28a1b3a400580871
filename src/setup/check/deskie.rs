//! The Deskie account: one call for key and custom field, one more where a channel is named.

use super::{Checks, Status};
use crate::config::Config;
use crate::deskie::{CallError, CaseQuery, Client, Outcome};

pub(super) async fn check(config: &Config, found: &mut Checks) {
    let deskie = &config.deskie;
    let client = match Client::new(&deskie.url, &deskie.staff_email, &deskie.api_key, deskie.timeout) {
        Ok(client) => client,
        Err(error) => return found.fail("deskie", error.to_string(), "mend [deskie] url"),
    };
    let host = deskie.url.as_str().trim_end_matches('/');
    let greeted = format!("{host} takes the key of {}", deskie.staff_email);
    let field = deskie.ticket_field;
    match client.custom_fields().await {
        Ok(answer) => {
            found.ok("deskie", greeted);
            let known = answer.value.items.iter().find(|one| one.field_id == field);
            match known {
                None => found.fail(
                    "ticket field",
                    format!("Deskie has no custom field cf_{field}: cases could not be found again by the site's ticket"),
                    "make a text field for cases in Deskie's settings and put its number into [deskie] ticket_field",
                ),
                Some(one) if one.level == "user" || !one.active => found.fail(
                    "ticket field",
                    format!("cf_{field} ({}) is {}", one.title, if one.active { "a field of users" } else { "not active" }),
                    "a text field for cases is needed in [deskie] ticket_field",
                ),
                Some(one) if one.field_type != "text" && one.field_type != "textarea" => found.warn(
                    "ticket field",
                    format!("cf_{field} ({}) is of the type {}", one.title, one.field_type),
                    "a text field is needed to hold any ticket's key",
                ),
                Some(one) => found.ok("ticket field", format!("cf_{field} is `{}`", one.title)),
            }
        }
        Err(error) if error.outcome() == Outcome::Refused => {
            // This employee may not see the settings; the key itself may be good.
            let query = CaseQuery {
                limit: Some(1),
                ..CaseQuery::default()
            };
            match client.cases(&query).await {
                Ok(_) => {
                    found.ok("deskie", greeted);
                    found.warn(
                        "ticket field",
                        format!("cf_{field} cannot be looked up: {error}"),
                        error.remedy(),
                    );
                }
                Err(error) => return refused(&error, found),
            }
        }
        Err(error) => return refused(&error, found),
    }
    if let Some(channel) = &deskie.channel {
        match client.custom_channels().await {
            Ok(answer) => match answer.value.items.iter().find(|one| one.api_key == *channel) {
                Some(one) if one.active => found.ok("channel", format!("{channel} is `{}`", one.title)),
                Some(one) => found.fail(
                    "channel",
                    format!("{channel} ({}) is not active", one.title),
                    "activate it in Deskie",
                ),
                None => found.fail(
                    "channel",
                    format!("Deskie has no custom channel {channel}"),
                    "make it in Deskie's settings, or mend [deskie] channel",
                ),
            },
            Err(error) => found.warn(
                "channel",
                format!("{channel} cannot be looked up: {error}"),
                error.remedy(),
            ),
        }
    }
}

fn refused(error: &CallError, found: &mut Checks) {
    let message = match error.outcome() {
        Outcome::KeyRevoked => format!("Deskie does not take the API key: {error}"),
        Outcome::Throttled(_) => {
            let mend = Some(error.remedy().to_owned());
            return found.add(
                Status::Warn,
                "deskie",
                format!("the account's limit is used up now: {error}"),
                mend,
            );
        }
        _ => error.to_string(),
    };
    found.fail("deskie", message, error.remedy());
}
