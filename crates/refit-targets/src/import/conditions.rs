//! Conditions of the policy language, put together from parts.

use super::document::quoted;

/// A field that has one of some values.
pub(super) fn one_of(field: &str, values: &[String]) -> String {
    match values {
        [one] => format!("{field} == {}", quoted(one)),
        more => format!("{field} in [{}]", more.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", ")),
    }
}

/// A list that has one of some values.
pub(super) fn has_one_of(list: &str, values: &[String]) -> String {
    let parts: Vec<String> = values.iter().map(|value| format!("{} in {list}", quoted(value))).collect();
    any(&parts)
}

/// All of some conditions; without any it is always so.
pub(super) fn all(parts: &[String]) -> String {
    match parts {
        [] => "true".to_owned(),
        [one] => one.clone(),
        more => more.iter().map(|part| bracketed(part)).collect::<Vec<_>>().join(" && "),
    }
}

/// One of some conditions; without any it is never so.
pub(super) fn any(parts: &[String]) -> String {
    match parts {
        [] => "false".to_owned(),
        [one] => one.clone(),
        more => more.join(" || "),
    }
}

/// The opposite of a condition.
pub(super) fn not(part: &str) -> String {
    format!("!({part})")
}

/// In brackets, where it has an `or` in it.
fn bracketed(part: &str) -> String {
    if part.contains("||") { format!("({part})") } else { part.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_together() {
        let either = any(&["a".to_owned(), "b".to_owned()]);
        assert_eq!(all(&[either, not("c")]), "(a || b) && !(c)");
        assert_eq!(all(&[]), "true");
        assert_eq!(has_one_of("device.tags", &["x\"".to_owned()]), "\"x\\\"\" in device.tags");
    }
}
