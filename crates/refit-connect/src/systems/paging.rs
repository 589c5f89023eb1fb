//! From one page to the next.

use super::{AskError, address::joined, error::shown};
use serde_json::Value;

/// How the next page is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Paging {
    /// There is one page.
    #[default]
    One,
    /// By a value in the answer that is given back in a parameter.
    Cursor {
        /// Where the value is, as a JSON pointer.
        next: String,
        /// Where it says whether there are more, as a JSON pointer; without it there are as long as there is a value.
        more: Option<String>,
        /// The parameter; a variable in GraphQL.
        parameter: String,
        /// How many records a page has.
        size: Option<Size>,
    },
    /// By a header `Link` with `rel="next"` (RFC 8288).
    LinkHeader {
        /// How many records a page has.
        size: Option<Size>,
    },
    /// By the number of the page.
    PageNumber(Number),
    /// By the number of records before it.
    Offset(Number),
    /// By an address in the answer.
    NextLink {
        /// Where it is, as a JSON pointer.
        next: String,
    },
}

/// How many records a page has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// The parameter that says so.
    pub parameter: String,
    /// How many.
    pub records: u32,
}

/// Paging by a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// The parameter that holds it.
    pub parameter: String,
    /// The number of the first page or record.
    pub first: u32,
    /// The parameter that says how many records a page has.
    pub size_parameter: Option<String>,
    /// How many records a page has.
    pub size: u32,
    /// Where it says how many records there are, as a JSON pointer.
    pub total: Option<String>,
    /// Where it says whether there are more, as a JSON pointer.
    pub more: Option<String>,
}

/// The page that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// With these parameters besides those of the question; variables in GraphQL.
    With(Vec<(String, Value)>),
    /// At another address, which has all that it needs.
    At(String),
}

/// An answer, as far as it says where the next page is.
pub(super) struct Answer<'a> {
    pub url: &'a str,
    pub links: &'a [String],
    pub body: &'a str,
    /// How many records it has.
    pub records: usize,
    /// How many records all pages before it had.
    pub before: u64,
    /// How many pages were before it.
    pub pages_before: u32,
}

impl Paging {
    pub(super) fn first(&self) -> Page {
        let sized = |size: &Option<Size>| {
            let size = size.as_ref().map(|size| (size.parameter.clone(), Value::from(size.records)));
            Page::With(size.into_iter().collect())
        };
        match self {
            Paging::One | Paging::NextLink { .. } => Page::With(Vec::new()),
            Paging::Cursor { size, .. } | Paging::LinkHeader { size } => sized(size),
            Paging::PageNumber(number) | Paging::Offset(number) => {
                Page::With(number.parameters(u64::from(number.first)))
            }
        }
    }

    /// The page after this answer; `None` where it was the last.
    pub(super) fn next(&self, answer: &Answer<'_>) -> Result<Option<Page>, AskError> {
        let json = || -> Result<Value, AskError> {
            serde_json::from_str(answer.body).map_err(|error| AskError::NotUnderstood {
                url: shown(answer.url),
                why: format!("the answer is no JSON: {error}"),
            })
        };
        let at = |link: &str| match joined(answer.url, link) {
            Some(address) => Ok(Some(Page::At(address))),
            None => Err(AskError::NotUnderstood {
                url: shown(answer.url),
                why: format!("the address of the next page is none: {}", shown(link)),
            }),
        };
        match self {
            Paging::One => Ok(None),
            Paging::LinkHeader { .. } => match answer.links.iter().find_map(|header| next_link(header)) {
                Some(link) => at(link),
                None => Ok(None),
            },
            Paging::NextLink { next } => match json()?.pointer(next) {
                Some(Value::String(link)) if !link.is_empty() => at(link),
                _ => Ok(None),
            },
            Paging::Cursor { next, more, parameter, size } => {
                let json = json()?;
                let ends = more.as_ref().is_some_and(|more| json.pointer(more).and_then(Value::as_bool) == Some(false));
                let cursor = match json.pointer(next) {
                    _ if ends => return Ok(None),
                    Some(Value::String(cursor)) if !cursor.is_empty() => Value::from(cursor.as_str()),
                    Some(Value::Number(cursor)) => Value::Number(cursor.clone()),
                    _ => return Ok(None),
                };
                let mut with = vec![(parameter.clone(), cursor)];
                with.extend(size.as_ref().map(|size| (size.parameter.clone(), Value::from(size.records))));
                Ok(Some(Page::With(with)))
            }
            Paging::PageNumber(number) => {
                let next = u64::from(number.first) + u64::from(answer.pages_before) + 1;
                Ok(number.has_more(answer, json)?.then(|| Page::With(number.parameters(next))))
            }
            Paging::Offset(number) => {
                let next = u64::from(number.first) + answer.before + answer.records as u64;
                Ok(number.has_more(answer, json)?.then(|| Page::With(number.parameters(next))))
            }
        }
    }
}

impl Number {
    fn parameters(&self, at: u64) -> Vec<(String, Value)> {
        let size = self.size_parameter.as_ref().map(|parameter| (parameter.clone(), Value::from(self.size)));
        [(self.parameter.clone(), Value::from(at))].into_iter().chain(size).collect()
    }

    /// Whether there are more records. A page without any is the last, whatever the answer says of the others.
    fn has_more(&self, answer: &Answer<'_>, json: impl Fn() -> Result<Value, AskError>) -> Result<bool, AskError> {
        if answer.records == 0 {
            return Ok(false);
        }
        if let Some(more) = &self.more
            && let Some(more) = json()?.pointer(more).and_then(Value::as_bool)
        {
            return Ok(more);
        }
        if let Some(total) = &self.total
            && let Some(total) = json()?.pointer(total).and_then(Value::as_u64)
        {
            return Ok(answer.before + (answer.records as u64) < total);
        }
        Ok(answer.records >= self.size as usize)
    }
}

/// The address of `rel="next"` in a header `Link` (RFC 8288): `<https://…>; rel="next", <…>; rel="self"`.
fn next_link(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (link, after) = after.split_once('>')?;
        // Parameters reach to the next comma that is followed by another address.
        let ends = after.match_indices(',').find(|(at, _)| after[at + 1..].trim_start().starts_with('<'));
        let end = ends.map_or(after.len(), |(at, _)| at);
        let (parameters, next) = after.split_at(end);
        let is_next = parameters.split(';').any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim().trim_end_matches(',').trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel")
                && value.split_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(link.trim());
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer<'a>(links: &'a [String], body: &'a str, records: usize, before: u64) -> Answer<'a> {
        Answer { url: "https://a.example/list?x=1", links, body, records, before, pages_before: (before / 2) as u32 }
    }

    #[test]
    fn the_next_link_is_found_among_others() {
        let header =
            r#"<https://a.example/users?limit=2>; rel="self", <https://a.example/users?after=a,b&limit=2>; rel="next""#;
        assert_eq!(next_link(header), Some("https://a.example/users?after=a,b&limit=2"));
        assert_eq!(next_link(r#"</u?p=2>; title="x"; rel=next"#), Some("/u?p=2"));
        assert_eq!(next_link(r#"</u?p=1>;rel="first prev",  </u?p=3>;rel="last  next";title="a, b""#), Some("/u?p=3"));
        assert_eq!(next_link(r#"<https://a.example/>; rel="prev self""#), None);
        assert_eq!(next_link(""), None);
        assert_eq!(next_link("<https://a.example"), None);
    }

    #[test]
    fn numbers_go_on_until_there_are_no_more() {
        let number = Number {
            parameter: "page".into(),
            first: 0,
            size_parameter: Some("size".into()),
            size: 2,
            total: Some("/total".into()),
            more: None,
        };
        let pages = Paging::PageNumber(number.clone());
        let with = |number: u64| Page::With(vec![("page".into(), number.into()), ("size".into(), 2.into())]);
        assert_eq!(pages.first(), with(0));
        assert_eq!(pages.next(&answer(&[], r#"{"total":5}"#, 2, 0)).unwrap(), Some(with(1)));
        assert_eq!(pages.next(&answer(&[], r#"{"total":5}"#, 2, 2)).unwrap(), Some(with(2)));
        assert_eq!(pages.next(&answer(&[], r#"{"total":5}"#, 1, 4)).unwrap(), None);
        assert_eq!(pages.next(&answer(&[], r#"{"total":50}"#, 0, 4)).unwrap(), None, "an empty page is the last");
        assert_eq!(pages.next(&answer(&[], "{}", 2, 0)).unwrap(), Some(with(1)), "a full page is not the last");
        let offset = Paging::Offset(Number { total: None, more: Some("/more".into()), ..number });
        assert_eq!(offset.next(&answer(&[], r#"{"more":true}"#, 2, 4)).unwrap(), Some(with(6)));
        assert_eq!(offset.next(&answer(&[], r#"{"more":false}"#, 2, 4)).unwrap(), None);
    }

    #[test]
    fn a_cursor_is_given_back_and_an_empty_one_ends_it() {
        let more = Some("/meta/more".to_owned());
        let cursor = Paging::Cursor { next: "/meta/next".into(), more, parameter: "cursor".into(), size: None };
        let with = |value: Value| Some(Page::With(vec![("cursor".into(), value)]));
        assert_eq!(cursor.next(&answer(&[], r#"{"meta":{"next":"a+b="}}"#, 2, 0)).unwrap(), with("a+b=".into()));
        assert_eq!(cursor.next(&answer(&[], r#"{"meta":{"next":17}}"#, 2, 0)).unwrap(), with(17.into()));
        // GraphQL has a cursor on its last page as well, and says that there are no more.
        let last = r#"{"meta":{"next":"a+b=","more":false}}"#;
        for last in [r#"{"meta":{"next":""}}"#, r#"{"meta":{"next":null}}"#, "{}", last] {
            assert_eq!(cursor.next(&answer(&[], last, 2, 0)).unwrap(), None);
        }
        assert!(cursor.next(&answer(&[], "<html>", 2, 0)).is_err());
    }
}
