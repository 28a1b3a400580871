//! The list filters' idea of equality.

use serde_json::Value;

use super::super::options::Options;

/// A substring search; carets at the ends make it a prefix, a suffix or an exact one. Case does not matter.
pub(super) fn text_matches(filter: &str, value: &str) -> bool {
    let value = value.to_lowercase();
    let filter = filter.to_lowercase();
    let (from_start, rest) = filter
        .strip_prefix('^')
        .map_or((false, filter.as_str()), |rest| (true, rest));
    let (to_end, wanted) = rest.strip_suffix('^').map_or((false, rest), |rest| (true, rest));
    match (from_start, to_end) {
        (true, true) => value == wanted,
        (true, false) => value.starts_with(wanted),
        (false, true) => value.ends_with(wanted),
        (false, false) => value.contains(wanted),
    }
}

/// Is the filter long enough to be searched for?
pub(super) fn long_enough(filter: &str, least: usize) -> bool {
    filter.trim_matches('^').chars().count() >= least
}

/// Compares a custom field with its filter, by the field's type; a filter on an unknown field is ignored.
pub(super) fn field_matches(options: &Options, name: &str, filter: &str, value: Option<&Value>) -> bool {
    let id = name.strip_prefix("cf_").and_then(|id| id.parse::<i64>().ok());
    let Some(field) = options
        .custom_fields
        .iter()
        .find(|field| Some(field.field_id) == id)
    else {
        return true;
    };
    let shown = value
        .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .unwrap_or_default();
    match field.field_type.as_str() {
        "select" => shown == filter.trim_matches('^'),
        "checkbox" => {
            let set = |text: &str| matches!(text, "1" | "true");
            set(&shown) == set(filter)
        }
        _ if options.exact_custom_fields => text_matches(filter, &shown),
        _ => shown.to_lowercase().contains(&filter.to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_make_a_search_exact() {
        for (filter, value, expected) in [
            ("4", "142", true),
            ("^4^", "142", false),
            ("^142^", "142", true),
            ("^14", "142", true),
            ("^42", "142", false),
            ("42^", "142", true),
            ("14^", "142", false),
            ("^A@b.c^", "a@B.c", true),
        ] {
            assert_eq!(text_matches(filter, value), expected, "{filter} on {value}");
        }
    }
}
