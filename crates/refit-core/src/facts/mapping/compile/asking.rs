//! What can be said beforehand of how a system is asked: names that one part of the document says of another, what belongs to
//! which kind of system, and pointers that are none.

use super::super::document::{
    AuthenticationDocument, ChangesDocument, ListDocument, NumberPagingDocument, PagingDocument, PayloadKind,
};
use super::{Compiler, join};
use crate::policy::diagnostic::did_you_mean;
use crate::policy::syntax::Step;

impl Compiler<'_> {
    /// Names that one part of the document says of another.
    pub(super) fn names(&mut self) {
        let written = self.written;
        let document = &written.document;
        let known: Vec<&str> = document.records.iter().map(|records| records.records.as_str()).collect();
        for (name, list) in &document.lists {
            let at = [Step::Key("lists"), Step::Key(name)];
            for (index, gives) in list.gives.iter().enumerate() {
                if !known.contains(&gives.as_str()) {
                    let path = join(&join(&at, "gives"), index);
                    self.unknown("records", gives, &known, &path);
                }
            }
            if let Some(other) = &list.for_each {
                let path = join(&at, "for_each");
                match document.lists.get(other) {
                    None => {
                        let lists: Vec<&str> = document.lists.keys().map(String::as_str).collect();
                        self.unknown("lists", other, &lists, &path);
                    }
                    Some(list) if list.for_each.is_some() => {
                        let label = format!("`{other}` is itself asked once for each record of a list");
                        self.report(
                            "connector/for-each",
                            "a list for each record of a list for each record",
                            &path,
                            label,
                        );
                    }
                    Some(_) => {}
                }
            }
            self.list(list, &at);
        }
        for name in document.none.keys() {
            self.field(name, None, &[Step::Key("none"), Step::Key(name)]);
        }
        self.settings();
        self.secrets();
    }

    /// Whether a list is asked for as systems of this kind are.
    fn list(&mut self, list: &ListDocument, at: &[Step<'_>]) {
        let reads = self.written.document.reads;
        let said = [
            ("get", !list.get.is_empty()),
            ("graphql", list.graphql.is_some()),
            ("sql", list.sql.is_some()),
            ("body", list.body.is_some()),
        ];
        let (needed, allowed, of): (&[&str], &[&str], _) = match reads {
            PayloadKind::HttpJson => (&[], &["get", "body"], "a system with JSON over HTTP"),
            PayloadKind::Graphql => (&["graphql"], &["get", "graphql"], "a system with GraphQL"),
            PayloadKind::Sql => (&["sql"], &["sql"], "a database"),
            PayloadKind::Csv | PayloadKind::Json | PayloadKind::Ndjson | PayloadKind::Plist => {
                let label = "the connector reads a file, which is not asked for lists".to_owned();
                self.report_key("connector/list", "a list of a file", at, label).help =
                    Some("leave `lists:` out, or say in `reads:` how the system is asked".to_owned());
                return;
            }
        };
        for (key, is_said) in said {
            if is_said && !allowed.contains(&key) {
                let label = format!("{of} is asked by {}", words(allowed));
                self.report_key("connector/list", "a question of another kind of system", &join(at, key), label);
            } else if !is_said && needed.contains(&key) {
                let label = format!("{of} is asked by {}", words(needed));
                self.report_key("connector/list", &format!("`{key}` is missing"), at, label);
            }
        }
        let of_paging = join(at, "paging");
        match &list.paging {
            Some(PagingDocument::Cursor(it)) => {
                self.pointer(&it.next, &join(&join(&of_paging, "cursor"), "next"));
                if let Some(more) = &it.more {
                    self.pointer(more, &join(&join(&of_paging, "cursor"), "more"));
                }
            }
            Some(PagingDocument::NextLink(it)) => {
                self.pointer(&it.next, &join(&join(&of_paging, "next_link"), "next"));
            }
            Some(PagingDocument::PageNumber(it)) => self.number(it, &join(&of_paging, "page_number")),
            Some(PagingDocument::Offset(it)) => self.number(it, &join(&of_paging, "offset")),
            Some(PagingDocument::LinkHeader(_)) | None => {}
        }
        if reads == PayloadKind::Graphql && list.paging.as_ref().is_some_and(|paging| !is_cursor(paging)) {
            let label = "GraphQL has cursors, which are given back in a variable".to_owned();
            self.report_key("connector/list", "paging of another kind of system", &of_paging, label);
        }
        if reads == PayloadKind::Sql && list.paging.is_some() {
            let label = "all rows of a query are read".to_owned();
            self.report_key("connector/list", "paging of another kind of system", &of_paging, label);
        }
        match &list.changes {
            Some(ChangesDocument::Delta(delta)) => {
                self.pointer(&delta.next, &join(&join(&join(at, "changes"), "delta"), "next"));
                if reads != PayloadKind::HttpJson {
                    let label = format!("{of} has no address for what changes");
                    let path = join(&join(at, "changes"), "delta");
                    self.report_key("connector/list", "changes of another kind of system", &path, label);
                }
            }
            Some(ChangesDocument::Since(since)) => {
                if let Some(sql) = list.sql.as_ref().filter(|_| reads == PayloadKind::Sql)
                    && !sql.contains(":since")
                {
                    let path = join(at, "sql");
                    let label = "`:since` never stands in it".to_owned();
                    self.report("connector/list", "a query that can't be asked for changes", &path, label).help =
                        Some("compare a time of change with `:since`, such as `where updated_at >= :since`".to_owned());
                }
                let path = join(&join(&join(at, "changes"), "since"), "value");
                self.has_time(&since.value, &path);
            }
            Some(ChangesDocument::Listed(listed)) => {
                let path = join(&join(at, "changes"), "listed");
                self.has_time(&listed.value, &join(&path, "value"));
                self.pointer(&listed.ids, &join(&path, "ids"));
                if listed.at_once == 0 {
                    let label = "nothing would ever be asked for".to_owned();
                    self.report("connector/list", "no records at once", &join(&path, "at_once"), label);
                }
                if reads != PayloadKind::HttpJson {
                    let label = format!("{of} has no list of what has changed");
                    self.report_key("connector/list", "changes of another kind of system", &path, label);
                }
            }
            None => {}
        }
    }

    fn number(&mut self, number: &NumberPagingDocument, at: &[Step<'_>]) {
        for (key, pointer) in [("total", &number.total), ("more", &number.more)] {
            if let Some(pointer) = pointer {
                self.pointer(pointer, &join(at, key));
            }
        }
    }

    fn has_time(&mut self, value: &str, path: &[Step<'_>]) {
        if !value.contains("{since}") {
            let label = "the time has to be in it, as `{since}`".to_owned();
            self.report("connector/list", "changes since no time", path, label);
        }
    }

    fn pointer(&mut self, pointer: &str, path: &[Step<'_>]) {
        if !pointer.starts_with('/') {
            let label = "a JSON pointer begins with `/`".to_owned();
            self.report("connector/pointer", "this is no JSON pointer", path, label).help =
                Some(format!("write `/{pointer}`"));
        }
    }

    /// Settings that texts name are there.
    fn settings(&mut self) {
        let written = self.written;
        let document = &written.document;
        let mut texts: Vec<(&str, Vec<Step<'_>>)> = Vec::new();
        texts.extend(document.address.as_deref().map(|text| (text, vec![Step::Key("address")])));
        for (name, value) in &document.headers {
            texts.push((value, vec![Step::Key("headers"), Step::Key(name)]));
        }
        for (name, list) in &document.lists {
            let at = [Step::Key("lists"), Step::Key(name)];
            texts.push((&list.get, join(&at, "get")));
            for (parameter, value) in &list.query {
                texts.push((value, join(&join(&at, "query"), parameter.as_str())));
            }
            for (variable, value) in list.graphql.iter().flat_map(|graphql| &graphql.variables) {
                let path = join(&join(&join(&at, "graphql"), "variables"), variable.as_str());
                let mut values = vec![value];
                while let Some(value) = values.pop() {
                    texts.extend(value.as_str().map(|text| (text, path.clone())));
                    values.extend(value.as_array().into_iter().flatten());
                    values.extend(value.as_object().into_iter().flat_map(|object| object.values()));
                }
            }
            let changes = join(&at, "changes");
            match &list.changes {
                Some(ChangesDocument::Delta(it)) => texts.push((&it.start, join(&join(&changes, "delta"), "start"))),
                Some(ChangesDocument::Since(it)) => {
                    texts.push((&it.parameter, join(&join(&changes, "since"), "parameter")));
                }
                Some(ChangesDocument::Listed(it)) => texts.push((&it.get, join(&join(&changes, "listed"), "get"))),
                None => {}
            }
        }
        let of = |method: &'static str, key: &'static str| {
            vec![Step::Key("authentication"), Step::Key(method), Step::Key(key)]
        };
        match &document.authentication {
            Some(AuthenticationDocument::ClientCredentials(it)) => {
                texts.push((&it.token_address, of("client_credentials", "token_address")));
                texts.push((&it.client_id, of("client_credentials", "client_id")));
            }
            Some(AuthenticationDocument::PrivateKeyJwt(it)) => {
                texts.push((&it.token_address, of("private_key_jwt", "token_address")));
                texts.push((&it.issuer, of("private_key_jwt", "issuer")));
            }
            Some(AuthenticationDocument::TokenEndpoint(it)) => {
                texts.push((&it.token_address, of("token_endpoint", "token_address")));
                texts.push((&it.user, of("token_endpoint", "user")));
            }
            Some(AuthenticationDocument::Basic(it)) => texts.push((&it.user, of("basic", "user"))),
            Some(AuthenticationDocument::Bearer(_) | AuthenticationDocument::ApiKey(_)) | None => {}
        }
        let known: Vec<&str> = document.settings.keys().map(String::as_str).collect();
        for (text, path) in texts {
            for name in placeholders(text) {
                // The id of the record that a list is asked for, and the day on which it is.
                if known.contains(&name)
                    || (["id", "today"].contains(&name) && path.first().is_some_and(|step| *step == Step::Key("lists")))
                {
                    continue;
                }
                self.unknown("settings", name, &known, &path);
            }
        }
    }

    /// Secrets that the authentication names are there.
    fn secrets(&mut self) {
        let written = self.written;
        let document = &written.document;
        let of_user = |user: &str| user.strip_prefix("secret:").map(str::to_owned);
        let (method, named): (&str, Vec<(&str, Option<String>)>) = match &document.authentication {
            None => return,
            Some(AuthenticationDocument::ClientCredentials(it)) => {
                ("client_credentials", vec![("client_secret", Some(it.client_secret.clone()))])
            }
            Some(AuthenticationDocument::PrivateKeyJwt(it)) => ("private_key_jwt", vec![("key", Some(it.key.clone()))]),
            Some(AuthenticationDocument::Bearer(it)) => ("bearer", vec![("token", Some(it.token.clone()))]),
            Some(AuthenticationDocument::Basic(it)) => {
                ("basic", vec![("user", of_user(&it.user)), ("password", it.password.clone())])
            }
            Some(AuthenticationDocument::ApiKey(it)) => ("api_key", vec![("key", Some(it.key.clone()))]),
            Some(AuthenticationDocument::TokenEndpoint(it)) => {
                ("token_endpoint", vec![("user", of_user(&it.user)), ("password", Some(it.password.clone()))])
            }
        };
        let known: Vec<&str> = document.secrets.keys().map(String::as_str).collect();
        for (key, name) in named {
            let Some(name) = name.filter(|name| !known.contains(&name.as_str())) else { continue };
            let path = [Step::Key("authentication"), Step::Key(method), Step::Key(key)];
            self.unknown("secrets", &name, &known, &path);
        }
    }

    fn unknown(&mut self, what: &str, name: &str, known: &[&str], path: &[Step<'_>]) {
        let help = match did_you_mean(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("name it in `{what}:`"),
            None => format!("there are {}", known.join(", ")),
        };
        let label = format!("there are no {what} `{name}`");
        self.report("connector/unknown-name", "unknown name", path, label).help = Some(help);
    }
}

fn is_cursor(paging: &PagingDocument) -> bool {
    matches!(paging, PagingDocument::Cursor(_))
}

fn words(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" and ")
}

/// Names in braces, `{name}`; braces around anything else are the system's own.
fn placeholders(text: &str) -> Vec<&str> {
    let parts = text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name);
    parts
        .filter(|name| {
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
        .collect()
}
