//! What a made-up system answers in each form, for whoever has no payload at hand yet.

use super::super::document::PayloadKind;

/// A made-up payload of that form, and the ending of its file's name.
pub fn sample(reads: PayloadKind) -> (&'static str, &'static str) {
    match reads {
        PayloadKind::HttpJson | PayloadKind::Json => (ONE_PAGE, "json"),
        PayloadKind::Graphql => (GRAPHQL, "json"),
        PayloadKind::Csv => (TABLE, "csv"),
        PayloadKind::Ndjson => (LINES, "ndjson"),
        PayloadKind::Plist => (PROPERTY_LIST, "plist"),
        PayloadKind::Sql => (ROWS, "json"),
    }
}

const ONE_PAGE: &str = r#"{
  "devices": [
    {
      "id": 1,
      "serial": "C02XK1ADA",
      "hostname": "ada-mac",
      "platform": "macos",
      "os_version": "15.1",
      "owner": { "email": "ada@acme.example" },
      "software": [{ "name": "Firefox", "version": "132.0" }],
      "updated_at": "2026-11-20T08:00:00Z"
    }
  ],
  "next": null
}
"#;

const GRAPHQL: &str = r#"{
  "data": {
    "devices": {
      "nodes": [
        {
          "id": "RGV2aWNlOjE=",
          "serial": "C02XK1ADA",
          "hostname": "ada-mac",
          "platform": "macos",
          "osVersion": "15.1",
          "owner": { "email": "ada@acme.example" },
          "updatedAt": "2026-11-20T08:00:00Z"
        }
      ],
      "pageInfo": { "endCursor": "MQ==", "hasNextPage": false }
    }
  }
}
"#;

const TABLE: &str = "\
id,serial,hostname,platform,os_version,owner_email,last_seen
1,C02XK1ADA,ada-mac,macos,15.1,ada@acme.example,2026-11-20T08:00:00Z
";

const LINES: &str = r#"{"id":1,"serial":"C02XK1ADA","hostname":"ada-mac","platform":"macos","os_version":"15.1","updated_at":"2026-11-20T08:00:00Z"}
{"id":2,"serial":"PF3KX2M1","hostname":"ben-pc","platform":"windows","os_version":"10.0.26100","updated_at":"2026-11-20T09:00:00Z"}
"#;

const ROWS: &str = r#"[
  {
    "id": 1,
    "serial": "C02XK1ADA",
    "hostname": "ada-mac",
    "platform": "macos",
    "os_version": "15.1",
    "owner_email": "ada@acme.example",
    "updated_at": "2026-11-20T08:00:00Z"
  }
]
"#;

const PROPERTY_LIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>devices</key>
  <array>
    <dict>
      <key>id</key><integer>1</integer>
      <key>serial</key><string>C02XK1ADA</string>
      <key>hostname</key><string>ada-mac</string>
      <key>platform</key><string>macos</string>
      <key>os_version</key><string>15.1</string>
      <key>last_seen</key><date>2026-11-20T08:00:00Z</date>
    </dict>
  </array>
</dict>
</plist>
"#;
