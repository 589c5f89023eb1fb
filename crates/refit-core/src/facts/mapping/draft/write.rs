//! The draft as text.

use super::super::document::{PayloadKind, Subject};
use super::super::json::Json;
use super::Draft;
use super::guess::{Guess, Timed};
use super::openapi::{Authentication, Operation};
use super::shape::Found;
use std::fmt::Write as _;

/// Parts that are listed as not used; a record of a large system has hundreds.
const UNUSED_SHOWN: usize = 60;

/// The text of a connector that reads such records.
pub fn draft(
    name: &str,
    reads: PayloadKind,
    payload: &Json<'_>,
    operation: Option<&Operation>,
    found: &Found<'_>,
    guess: &Guess,
) -> Draft {
    let kind = kind_name(operation.map_or(&found.pointer, |operation| &operation.path), guess.of);
    let made_from = if operation.is_some() { "an OpenAPI document" } else { "a payload" };
    let mut text = format!(
        "# A first draft, made from {made_from}. `refit source test FOLDER PAYLOAD` shows what it makes of one; all that can be said\n\
         # here is in docs/reference/connectors.md and in `refit schema connector`. What is guessed is marked: look at it.\n\
         connector: {name}\n\
         name: {}                    # as its vendor writes it\n",
        quoted(&titled(name))
    );
    let _ = writeln!(text, "reads: {}", form_name(reads));
    text += &match operation {
        Some(operation) => described(name, operation, payload, &kind),
        None => asked(name, reads, payload, &kind),
    };
    text += "records:\n";
    let _ = writeln!(text, "  - records: {kind}");
    let _ = writeln!(text, "    of: {}                    # device | person", of_name(guess.of));
    if !found.pointer.is_empty() {
        let _ = writeln!(text, "    from: [{}]", quoted(&found.pointer));
    }
    let _ = writeln!(text, "    id: {}              # what the system itself knows it by; it has to stay the same", {
        quoted(guess.id.as_deref().unwrap_or("record.id"))
    });
    text += "    # owner: it               # which department answers for what it says\n";
    let mut guessed = Vec::new();
    if let Some(observed) = &guess.observed {
        let _ = writeln!(text, "    observed: {}    # guessed: when the system saw it last", timed(observed));
        guessed.push("observed".to_owned());
    }
    if !guess.keys.is_empty() {
        text += "    keys:                     # guessed: what identifies it in other systems too\n";
    }
    for (key, from) in &guess.keys {
        let _ = writeln!(text, "      {key}: {}", quoted(from));
        guessed.push((*key).to_owned());
    }
    if !guess.fields.is_empty() {
        text += "    fields:                   # guessed: by their names\n";
    }
    for (field, from) in &guess.fields {
        let _ = writeln!(text, "      {field}: {}", timed(from));
        guessed.push((*field).to_owned());
    }
    if let Some(installs) = &guess.installs {
        let title: Vec<String> = installs.title.iter().map(|(key, from)| format!("{key}: {}", quoted(from))).collect();
        text += "    installs:                 # guessed\n";
        let _ = writeln!(text, "      - each: {}", quoted(&installs.each));
        let _ = writeln!(text, "        title: {{ {} }}", title.join(", "));
        if let Some(version) = &installs.version {
            let _ = writeln!(text, "        version: {}", quoted(version));
        }
        text += "        # complete: true      # if what is not in the list is not installed\n";
        guessed.push("installs".to_owned());
    }
    for (relation, keys) in &guess.relations {
        let keys: Vec<String> = keys.iter().map(|(key, from)| format!("{key}: {}", quoted(from))).collect();
        text += "    relations:                # guessed\n";
        let _ = writeln!(text, "      - relation: {relation}");
        let _ = writeln!(text, "        keys: {{ {} }}", keys.join(", "));
        guessed.push((*relation).to_owned());
    }
    if !guess.unused.is_empty() {
        text += "# Not used, of what the records have:\n";
    }
    let width = guess.unused.iter().take(UNUSED_SHOWN).map(|(from, _)| from.chars().count()).max().unwrap_or_default();
    for (from, what) in guess.unused.iter().take(UNUSED_SHOWN) {
        let _ = writeln!(text, "#   {from:<width$}  {what}");
    }
    if let Some(more) = guess.unused.len().checked_sub(UNUSED_SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "#   and {more} more");
    }
    let unused = guess.unused.iter().map(|(from, _)| from.clone()).collect();
    Draft { text, records: found.count, guessed, unused }
}

/// How the system is asked.
fn asked(name: &str, reads: PayloadKind, payload: &Json<'_>, kind: &str) -> String {
    let http = |list: String| {
        format!(
            "settings:\n  \
               url: {{ about: \"Where it is, such as https://{name}.example.\" }}\n\
             secrets:\n  \
               key: A key that may read, and nothing else.\n\
             address: \"{{url}}\"\n\
             authentication:               # or bearer, basic, client_credentials, private_key_jwt, token_endpoint\n  \
               api_key: {{ key: key, header: x-api-key }}\n\
             lists:\n  \
               {kind}:\n{list}    \
               gives: [{kind}]\n"
        )
    };
    match reads {
        PayloadKind::HttpJson => {
            http(format!("    get: /{kind}             # the address, after the one above\n{}", paging(payload)))
        }
        PayloadKind::Graphql => http(format!(
            "    get: /graphql             # the address, after the one above\n    \
                 graphql:\n      \
                   query: \"query ($after: String) {{ {kind}(first: 100, after: $after) {{ nodes {{ id }} pageInfo {{ endCursor hasNextPage }} }} }}\"\n    \
                 paging: {{ cursor: {{ next: {after}, more: {more}, parameter: after }} }}\n",
            after = format_args!("/data/{kind}/pageInfo/endCursor"),
            more = format_args!("/data/{kind}/pageInfo/hasNextPage"),
        )),
        PayloadKind::Sql => format!(
            "settings:\n  \
               url: {{ about: \"Where the database is, such as postgres://db.example/{name}.\" }}\n  \
               user: {{ about: \"A role that may read, and nothing else.\" }}\n\
             secrets:\n  \
               password: The password of that role.\n\
             address: \"{{url}}\"\n\
             authentication:\n  \
               basic: {{ user: \"{{user}}\", password: password }}\n\
             lists:\n  \
               {kind}:\n    \
                 sql: select * from {kind}\n    \
                 gives: [{kind}]\n"
        ),
        PayloadKind::Csv | PayloadKind::Json | PayloadKind::Ndjson | PayloadKind::Plist => {
            "settings:\n  path: { about: Where the file is. }\n".to_owned()
        }
    }
}

/// How the system is asked, as its document describes it.
fn described(name: &str, operation: &Operation, payload: &Json<'_>, kind: &str) -> String {
    let (mut settings, mut secrets) = (Vec::new(), Vec::new());
    let key = "key: A key that may read, and nothing else.";
    let user = "{ about: \"A user who may read, and nothing else.\" }";
    let way = match &operation.authentication {
        Authentication::Unsaid => {
            secrets.push(key);
            "api_key: { key: key, header: x-api-key }    # guessed: the document does not say".to_owned()
        }
        Authentication::Bearer => {
            secrets.push("token: A token that may read, and nothing else.");
            "bearer: { token: token }".to_owned()
        }
        Authentication::Basic => {
            settings.push(format!("user: {user}"));
            secrets.push("password: The password of that user.");
            "basic: { user: \"{user}\", password: password }".to_owned()
        }
        Authentication::HeaderKey(header) => {
            secrets.push(key);
            format!("api_key: {{ key: key, header: {} }}    # or with a `prefix:`", quoted(header))
        }
        Authentication::ParameterKey(parameter) => {
            secrets.push(key);
            format!("api_key: {{ key: key, parameter: {} }}", quoted(parameter))
        }
        Authentication::ClientCredentials { token_address } => {
            settings.push("client_id: { about: \"The id of a client that may read, and nothing else.\" }".to_owned());
            secrets.push("client_secret: The secret of that client.");
            // A path is one of the system's; what is the vendor's own setting in it is unknown here.
            let at_system = token_address.starts_with('/') || token_address.contains('{');
            let path = token_address.split_once("://").map_or(token_address.as_str(), |(_, rest)| {
                rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default()
            });
            let address = if at_system { format!("{{url}}{path}") } else { token_address.clone() };
            let address = format!("'{}'", address.replace('\'', "''"));
            format!(
                "client_credentials: {{ token_address: {address}, client_id: '{{client_id}}', client_secret: client_secret }}"
            )
        }
    };
    let settings: String = settings.iter().map(|setting| format!("  {setting}\n")).collect();
    let secrets: String = secrets.iter().map(|secret| format!("  {secret}\n")).collect();
    let paging = match &operation.paging {
        Some(guessed) => format!("    paging: {guessed}    # guessed\n"),
        None => paging(payload),
    };
    format!(
        "settings:\n  \
           url: {{ about: \"Where it is, such as https://{name}.example.\" }}\n\
         {settings}\
         secrets:\n\
         {secrets}\
         address: \"{{url}}\"\n\
         authentication:\n  \
           {way}\n\
         lists:\n  \
           {kind}:\n    \
             get: {get}\n\
         {paging}    \
             gives: [{kind}]\n",
        get = quoted(&operation.get),
    )
}

/// How the next page is asked for, as far as the payload shows that.
fn paging(payload: &Json<'_>) -> String {
    let text = |pointer: &str| matches!(payload.pointer(pointer), Some(Json::Text(text)) if !text.is_empty());
    let address = |pointer: &str| matches!(payload.pointer(pointer), Some(Json::Text(text)) if text.starts_with("http") || text.starts_with('/'));
    let links =
        ["/@odata.nextLink", "/nextLink", "/next_link", "/next", "/links/next", "/_links/next/href", "/meta/next"];
    let cursors = [
        "/next_cursor",
        "/nextCursor",
        "/next_page_token",
        "/nextPageToken",
        "/next_page",
        "/nextPage",
        "/next",
        "/cursor",
        "/meta/next_cursor",
        "/response_metadata/next_cursor",
        "/pagination/next_cursor",
    ];
    let totals = ["/totalCount", "/total_count", "/total", "/count", "/meta/total", "/pagination/total"];
    let guess = "    # guessed\n";
    if let Some(next) = links.into_iter().find(|pointer| address(pointer)) {
        return format!("    paging: {{ next_link: {{ next: {} }} }}{guess}", quoted(next));
    }
    if let Some(next) = cursors.into_iter().find(|pointer| text(pointer)) {
        return format!("    paging: {{ cursor: {{ next: {next}, parameter: cursor }} }}{guess}");
    }
    if let Some(total) = totals.into_iter().find(|pointer| matches!(payload.pointer(pointer), Some(Json::Int(_)))) {
        return format!(
            "    # paging: {{ page_number: {{ parameter: page, size_parameter: size, size: 100, total: {total} }} }}\n"
        );
    }
    "    # How the next page is asked for; without it there is one page. Or link_header, page_number, offset, next_link.\n    \
     # paging: { cursor: { next: /next, parameter: cursor } }\n"
        .to_owned()
}

fn kind_name(pointer: &str, of: Subject) -> String {
    // Words that say nothing of what is in the list.
    const EMPTY: [&str; 10] =
        ["results", "result", "data", "items", "value", "values", "records", "nodes", "edges", "response"];
    let plain = |step: &str| -> String {
        let letters = step.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
        letters.collect::<String>().trim_matches('_').to_owned()
    };
    let mut steps = pointer.rsplit('/').map(plain).filter(|step| step.starts_with(|c: char| c.is_ascii_lowercase()));
    let named = steps.find(|step| !EMPTY.contains(&step.as_str()));
    named.unwrap_or_else(|| match of {
        Subject::Device => "devices".to_owned(),
        Subject::Person => "people".to_owned(),
    })
}

fn titled(name: &str) -> String {
    let words = name.split(['-', '_']).filter(|word| !word.is_empty());
    let words = words.map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
    });
    words.collect::<Vec<String>>().join(" ")
}

fn of_name(of: Subject) -> &'static str {
    match of {
        Subject::Device => "device",
        Subject::Person => "person",
    }
}

fn form_name(reads: PayloadKind) -> &'static str {
    match reads {
        PayloadKind::HttpJson => "http_json",
        PayloadKind::Graphql => "graphql",
        PayloadKind::Csv => "csv",
        PayloadKind::Json => "json",
        PayloadKind::Ndjson => "ndjson",
        PayloadKind::Plist => "plist",
        PayloadKind::Sql => "sql",
    }
}

fn timed(timed: &Timed) -> String {
    match timed.time {
        None => quoted(&timed.from),
        Some(time) => format!("{{ from: {}, time: {time} }}", quoted(&timed.from)),
    }
}

/// A text as YAML has it: in quotes where it could be taken for something else.
fn quoted(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_./ ".contains(c))
        && !text.ends_with(' ')
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}
